"""Reading and writing models: ONNX to serve, skops to retrain and explain. Nothing here can run code from a file.

ONNX: only the standard's own operators, nothing outside the file. skops: only types that skops trusts itself, and `ALLOWED`.
"""

import io
import zipfile
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dharma_ml.models import trees
from dharma_ml.models.card import ArtefactError

Floats = NDArray[np.float64]

ALLOWED: Final = frozenset({"sklearn.tree._tree.Tree"})
"""The one type of scikit-learn's trees that skops does not trust by itself: arrays of numbers, read by scikit-learn's own code."""
DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""Operators of the standard; another domain would need a library from elsewhere."""
OPSET: Final = {"": 17, "ai.onnx.ml": 3}
"""The newest pair that skl2onnx converts forests of scikit-learn 1.9 to and onnxruntime serves."""
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a model, packed or unpacked; a RandomForest of 100 trees is about 8 MB."""


class Served:
    """A model from ONNX. One thread, as many of them answer single rows side by side."""

    def __init__(self, content: bytes) -> None:
        runtime = import_module("onnxruntime")
        _check_onnx(content)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ArtefactError(f"onnxruntime refuses the model: {error}") from error
        (self._input,) = (given.name for given in self._session.get_inputs())
        names = [given.name for given in self._session.get_outputs()]
        self._output: str = "scores" if "scores" in names else names[0]

    def predict(self, rows: Floats) -> Floats:
        """Predict for rows of shape (n, features): shape (n,). For IsolationForest its decision function, below 0 is strange.

        Raises ArtefactError when the rows do not fit the model.
        """
        try:
            (values,) = self._session.run([self._output], {self._input: np.asarray(rows, dtype=np.float32)})
        except Exception as error:
            raise ArtefactError(f"the model does not take these rows: {error}") from error
        return np.asarray(values, dtype=np.float64).reshape(len(rows))


def to_onnx(estimator: Any, features: int) -> bytes:  # noqa: ANN401 - any estimator of scikit-learn that skl2onnx knows
    """Convert a fitted estimator that takes float32 rows of that many features. Raises ArtefactError when it cannot be converted."""
    direct = trees.convert(estimator, features, dict(OPSET))
    if direct is not None:
        return direct
    # A fixed name: skl2onnx would put a random one into the bytes.
    convert, kinds = import_module("skl2onnx"), import_module("skl2onnx.common.data_types")
    try:
        model = convert.convert_sklearn(
            estimator, name="model", initial_types=[("rows", kinds.FloatTensorType([None, features]))], target_opset=dict(OPSET)
        )
    except Exception as error:
        raise ArtefactError(f"{type(estimator).__name__} cannot be converted to ONNX: {error}") from error
    return bytes(model.SerializeToString())


def to_skops(estimator: Any) -> bytes:  # noqa: ANN401 - any estimator of scikit-learn
    """Write a fitted estimator so that it can be read without running code."""
    return bytes(import_module("skops.io").dumps(estimator))


def from_skops(content: bytes) -> Any:  # noqa: ANN401 - what was written
    """Read an estimator. Raises ArtefactError when the file is none of skops, too large, or holds a type that is not allowed."""
    skops = import_module("skops.io")
    _check_zip(content)
    try:
        foreign: set[str] = set(skops.get_untrusted_types(data=content)) - ALLOWED
    except Exception as error:
        raise ArtefactError(f"skops cannot read the model: {error}") from error
    if foreign:
        raise ArtefactError(f"the model holds types that are not allowed: {', '.join(sorted(foreign))}")
    try:
        return skops.loads(content, trusted=sorted(ALLOWED))
    except Exception as error:
        raise ArtefactError(f"skops cannot read the model: {error}") from error


def verify(name: str, content: bytes) -> None:
    """Look into a file without loading the model: raises ArtefactError when it is not what its name says."""
    if name.endswith(".onnx"):
        _check_onnx(content)
    elif name.endswith(".skops"):
        _check_zip(content)
    else:
        raise ArtefactError(f"{name} is no known sort of model; there are .onnx and .skops")


def _check_onnx(content: bytes) -> None:
    onnx = import_module("onnx")
    if len(content) > LARGEST:
        raise ArtefactError(f"the model has {len(content)} bytes, at most {LARGEST} are read")
    try:
        model = onnx.load_from_string(content)
        # Of protocol buffers almost any bytes can be read; the checker tells a model from chance.
        onnx.checker.check_model(model)
    except Exception as error:
        raise ArtefactError(f"this is no ONNX model: {error}") from error
    if foreign := {opset.domain for opset in model.opset_import} - DOMAINS:
        raise ArtefactError(f"the model needs operators that are not of the standard: {', '.join(sorted(foreign))}")
    if _reaches_out(model.graph.initializer):
        raise ArtefactError("the model keeps parts of itself in other files")


def _reaches_out(tensors: Sequence[Any]) -> bool:
    return any(tensor.data_location != 0 or len(tensor.external_data) > 0 for tensor in tensors)


def _check_zip(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            entries = packed.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ArtefactError(f"this is no skops file: {error}") from error
    if sum(entry.file_size for entry in entries) > LARGEST:
        raise ArtefactError(f"the model unpacks to more than {LARGEST} bytes")
    names = {entry.filename for entry in entries}
    if "schema.json" not in names or not all(name == "schema.json" or name.endswith((".npy", ".npz")) for name in names):
        raise ArtefactError("this is no skops file: it holds other things than a schema and arrays")
