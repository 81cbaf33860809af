"""Numbers and arrays to bytes and back, without pickle: a mark, a JSON header, array bytes, a CRC over all of it.

What meters read repeats itself: arrays that pack well are packed by zlib's quickest level, which a first part of each tells.
"""

import json
import math
import zlib
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

MARK: Final = b"DHARMA-ANOMALY-2\n"
PROBE: Final = 4096
"""Bytes by which it is judged whether an array packs well."""
WORTH: Final = 0.8
"""Packed size by raw size above which an array is left as it is."""
_TYPES: Final = frozenset({"<f8", "<f4", "<f2", "<i8", "|u1", "|b1"})

Array = NDArray[Any]


def encode(plain: dict[str, Any], arrays: dict[str, Array]) -> bytes:
    """Write what JSON can hold, and arrays of floats, integers and booleans."""
    shapes: list[list[Any]] = []
    pieces: list[bytes] = []
    for name, array in arrays.items():
        kind = array.dtype.newbyteorder("<")
        piece, packed = _pack(np.ascontiguousarray(array.astype(kind, copy=False)).tobytes())
        shapes.append([name, kind.str, list(array.shape), len(piece) if packed else None])
        pieces.append(piece)
    head = json.dumps({"plain": plain, "arrays": shapes}, separators=(",", ":")).encode()
    body = b"".join(pieces)
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
    for name, kind, shape, packed in cast(list[tuple[str, str, list[int], int | None]], head["arrays"]):
        if kind not in _TYPES:
            raise ValueError(f"array {name} has the type {kind}, which no state has")
        size = math.prod(shape) * np.dtype(kind).itemsize
        piece = blob[end : end + (size if packed is None else packed)]
        raw = piece if packed is None else _unpack(piece, size)
        if len(raw) != size:
            raise ValueError(f"array {name} has another length than it says")
        arrays[name] = np.frombuffer(raw, dtype=np.dtype(kind)).reshape(shape).copy()
        end += len(piece)
    return cast(dict[str, Any], head["plain"]), arrays


def _pack(raw: bytes) -> tuple[bytes, bool]:
    """Give the bytes, packed where that is worth it, and whether they are."""
    probe = raw[:PROBE]
    if len(zlib.compress(probe, 1)) >= WORTH * len(probe):
        return raw, False
    return zlib.compress(raw, 1), True


def _unpack(piece: bytes, size: int) -> bytes:
    """Unpack no more than is said to be there: a few bytes can hold gigabytes of zeros."""
    try:
        return zlib.decompressobj().decompress(piece, size + 1)
    except zlib.error as error:
        raise ValueError(f"an array cannot be unpacked: {error}") from error
