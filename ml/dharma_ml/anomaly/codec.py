"""Numbers and arrays to bytes and back, without pickle: a mark, a JSON header, raw array bytes, a CRC over all of it."""

import json
import math
import zlib
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

MARK: Final = b"DHARMA-ANOMALY-2\n"
_TYPES: Final = frozenset({"<f8", "<f4", "<f2", "<i8", "|u1", "|b1"})

Array = NDArray[Any]


def encode(plain: dict[str, Any], arrays: dict[str, Array]) -> bytes:
    """Write what JSON can hold, and arrays of floats, integers and booleans."""
    shapes = [[name, array.dtype.newbyteorder("<").str, list(array.shape)] for name, array in arrays.items()]
    head = json.dumps({"plain": plain, "arrays": shapes}, separators=(",", ":")).encode()
    body = b"".join(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).tobytes() for array in arrays.values())
    whole = MARK + len(head).to_bytes(4, "little") + head + body
    return whole + zlib.crc32(whole).to_bytes(4, "little")


def decode(blob: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read what `encode` wrote. Raises `ValueError` when it is anything else, cut short or changed."""
    if not blob.startswith(MARK) or len(blob) < len(MARK) + 8:
        raise ValueError("not a state of the anomaly detector")
    if zlib.crc32(blob[:-4]) != int.from_bytes(blob[-4:], "little"):
        raise ValueError("the state is damaged: its checksum differs")
    start = len(MARK) + 4
    end = start + int.from_bytes(blob[len(MARK) : start], "little")
    head = cast(dict[str, Any], json.loads(blob[start:end]))
    arrays: dict[str, Array] = {}
    for name, kind, shape in cast(list[tuple[str, str, list[int]]], head["arrays"]):
        if kind not in _TYPES:
            raise ValueError(f"array {name} has the type {kind}, which no state has")
        count = math.prod(shape)
        arrays[name] = np.frombuffer(blob, dtype=np.dtype(kind), count=count, offset=end).reshape(shape).copy()
        end += count * np.dtype(kind).itemsize
    return cast(dict[str, Any], head["plain"]), arrays
