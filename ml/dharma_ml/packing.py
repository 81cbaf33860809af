"""Named pieces of bytes as one, with a checksum: the saved state of a fleet."""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

MAGIC: Final = b"DHARMA-ML-STATE-1\n"
DIGEST: Final = hashlib.sha256().digest_size


def pack(pieces: Mapping[str, bytes]) -> bytes:
    """Join pieces: magic, SHA-256 of the rest, length of the index, index (JSON: name to length), the pieces in that order."""
    index = json.dumps({name: len(piece) for name, piece in pieces.items()}).encode()
    body = b"".join((len(index).to_bytes(8, "big"), index, *pieces.values()))
    return b"".join((MAGIC, hashlib.sha256(body).digest(), body))


def unpack(packed: bytes) -> dict[str, bytes]:
    """Take pieces apart. Raises ValueError when these are not the bytes that `pack` made."""
    if not packed.startswith(MAGIC):
        raise ValueError("these bytes are no saved state of this version")
    start = len(MAGIC) + DIGEST
    body = packed[start:]
    if hashlib.sha256(body).digest() != packed[len(MAGIC) : start]:
        raise ValueError("the saved state is damaged: its checksum is another")
    end = 8 + int.from_bytes(body[:8], "big")
    pieces: dict[str, bytes] = {}
    for name, length in json.loads(body[8:end]).items():
        pieces[name] = body[end : end + length]
        end += length
    return pieces
