"""SCRAM-SHA-256 verifiers as PostgreSQL stores them (RFC 5802, RFC 7677), made on the client's side.

So no password ever stands in an SQL statement, a log of statements or `pg_stat_activity`.
"""

import asyncio
import base64
import hashlib
import hmac
import os

from dharma_handlers.blueprint.scram import prepared

ITERATIONS = 4096
"""PostgreSQL's own default, `scram_iterations`: a generated password of 128 bits or more needs no slower hash."""
SALT_BYTES = 16


async def make_verifier(password: str) -> str:
    """Return `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` with a fresh salt; hashed off the event loop."""
    return await asyncio.to_thread(_verifier, password, os.urandom(SALT_BYTES))


def _verifier(password: str, salt: bytes) -> str:
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password).encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${ITERATIONS}:{_base64(salt)}${_base64(stored)}:{_base64(server)}"


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
