"""Isolation forests and boosted trees as one ONNX tree ensemble each.

skl2onnx writes an isolation forest as a graph of its own per tree: seconds to convert, where one ensemble takes milliseconds.
Thresholds, float64 in scikit-learn, are rounded down to float32 here, which is exact: for x in float32, x <= t holds just when
x <= the largest float32 that is not over t.
"""

from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EULER: Final = 0.5772156649015329
IR_VERSION: Final = 10
"""Of the ONNX file; what onnxruntime 1.22 and later read."""


def convert(estimator: Any, features: int, opset: dict[str, int]) -> bytes | None:  # noqa: ANN401 - any estimator of scikit-learn
    """Convert an IsolationForest (its decision function) or a GradientBoostingRegressor of squared error; None for anything else."""
    match type(estimator).__name__:
        case "IsolationForest":
            return _isolation(estimator, features, opset)
        case "GradientBoostingRegressor" if estimator.loss == "squared_error" and estimator.init is None:
            return _boosted(estimator, features, opset)
        case _:
            return None


def average_path(rows: NDArray[np.int64]) -> Floats:
    """Tell the mean depth at which a search in a binary tree of that many rows ends without success; shape kept.

    Source: Liu, Ting, Zhou, "Isolation Forest", ICDM 2008, equation 1:
    c(n) = 2 H(n - 1) - 2 (n - 1) / n, H(i) about ln(i) + 0.5772; c(2) = 1.
    """
    n = np.maximum(rows, 2).astype(np.float64)
    several = 2.0 * (np.log(np.maximum(n - 1.0, 1.0)) + EULER) - 2.0 * (n - 1.0) / n
    return np.where(rows <= 1, 0.0, np.where(rows == 2, 1.0, several))


def _isolation(forest: Any, features: int, opset: dict[str, int]) -> bytes:  # noqa: ANN401
    """Score 2^(-depth / c), equation 2 of the paper; the decision function is offset by what was chosen for `contamination`."""
    helper = import_module("onnx.helper")
    trees = [estimator.tree_ for estimator in forest.estimators_]
    leaves = [_depths(tree) + average_path(np.asarray(tree.n_node_samples)) for tree in trees]
    scale = len(trees) * float(average_path(np.asarray([forest.max_samples_]))[0])
    nodes = [
        _ensemble(trees, leaves, [np.asarray(chosen) for chosen in forest.estimators_features_], 0.0, "depth"),
        helper.make_node("Mul", ["depth", "scale"], ["exponent"]),
        helper.make_node("Pow", ["two", "exponent"], ["strange"]),
        helper.make_node("Sub", ["offset", "strange"], ["scores"]),
    ]
    constants = {"scale": -1.0 / scale if scale else 0.0, "two": 2.0, "offset": -float(forest.offset_)}
    return _model(nodes, constants, features, opset)


def _boosted(boosting: Any, features: int, opset: dict[str, int]) -> bytes:  # noqa: ANN401
    trees = [estimator.tree_ for estimator in boosting.estimators_[:, 0]]
    leaves = [np.asarray(tree.value, dtype=np.float64).reshape(-1) * boosting.learning_rate for tree in trees]
    start = float(np.asarray(boosting.init_.constant_).reshape(-1)[0])
    return _model([_ensemble(trees, leaves, None, start, "scores")], {}, features, opset)


def _depths(tree: Any) -> Floats:  # noqa: ANN401
    """Tell how many splits lead to each node; a parent stands before its children."""
    depths = np.zeros(tree.node_count)
    for node, (left, right) in enumerate(zip(tree.children_left, tree.children_right, strict=True)):
        if left >= 0:
            depths[left] = depths[right] = depths[node] + 1
    return depths


def _ensemble(trees: list[Any], leaves: list[Floats], chosen: list[NDArray[np.int64]] | None, base: float, output: str) -> Any:  # noqa: ANN401
    counts = [int(tree.node_count) for tree in trees]
    left = np.concatenate([np.asarray(tree.children_left) for tree in trees])
    right = np.concatenate([np.asarray(tree.children_right) for tree in trees])
    split = left >= 0
    columns = [np.maximum(np.asarray(tree.feature), 0) for tree in trees]
    if chosen is not None:
        columns = [subset[column] for subset, column in zip(chosen, columns, strict=True)]
    owner = np.repeat(np.arange(len(trees)), counts)
    number = np.concatenate([np.arange(count) for count in counts])
    thresholds = _down(np.concatenate([np.asarray(tree.threshold, dtype=np.float64) for tree in trees]))
    return import_module("onnx.helper").make_node(
        "TreeEnsembleRegressor",
        ["rows"],
        [output],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        base_values=[base],
        nodes_treeids=owner.tolist(),
        nodes_nodeids=number.tolist(),
        nodes_featureids=np.concatenate(columns).tolist(),
        nodes_values=np.where(split, thresholds, 0.0).tolist(),
        nodes_modes=["BRANCH_LEQ" if branch else "LEAF" for branch in split.tolist()],
        nodes_truenodeids=np.where(split, left, 0).tolist(),
        nodes_falsenodeids=np.where(split, right, 0).tolist(),
        target_treeids=owner[~split].tolist(),
        target_nodeids=number[~split].tolist(),
        target_ids=[0] * int((~split).sum()),
        target_weights=np.concatenate(leaves)[~split].tolist(),
    )


def _down(values: Floats) -> Floats:
    rounded = values.astype(np.float32)
    below = np.where(rounded.astype(np.float64) > values, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return np.asarray(below, dtype=np.float64)


def _model(nodes: list[Any], constants: dict[str, float], features: int, opset: dict[str, int]) -> bytes:
    helper, kinds = import_module("onnx.helper"), import_module("onnx").TensorProto
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("rows", kinds.FLOAT, [None, features])],
        [helper.make_tensor_value_info("scores", kinds.FLOAT, [None, 1])],
        [helper.make_tensor(name, kinds.FLOAT, [1], [value]) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in opset.items()]
    model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="dharma-ml")
    return bytes(model.SerializeToString())
