"""SCRAM-SHA-256 verifiers as PostgreSQL stores them (RFC 5802, RFC 7677), made and checked on the client's side.

So no password ever stands in an SQL statement, a log of statements or `pg_stat_activity`.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import stringprep
import unicodedata
from functools import lru_cache

ITERATIONS = 4096
"""PostgreSQL's own default, `scram_iterations`: a generated password of 128 bits or more needs no slower hash."""
SALT_BYTES = 16

_PROHIBITED = (
    stringprep.in_table_a1,
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


async def make_verifier(password: str) -> str:
    """Return `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` with a fresh salt; hashed off the event loop."""
    return await asyncio.to_thread(_verifier, password, os.urandom(SALT_BYTES), ITERATIONS)


async def verifies(verifier: str | None, password: str) -> bool:
    """Tell whether `verifier`, as found in `pg_authid.rolpassword`, belongs to `password`; hashed off the event loop once for a pair."""
    parsed = _parse(verifier) if verifier else None
    if verifier is None or parsed is None:
        return False
    salt, iterations = parsed
    return hmac.compare_digest(await asyncio.to_thread(_verifier, password, salt, iterations), verifier)


@lru_cache(maxsize=1024)
def _verifier(password: str, salt: bytes, iterations: int) -> str:
    salted = hashlib.pbkdf2_hmac("sha256", _prepare(password).encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_base64(salt)}${_base64(stored)}:{_base64(server)}"


def _parse(verifier: str) -> tuple[bytes, int] | None:
    """Salt and iterations of a verifier; None when it is none of SCRAM-SHA-256 (md5, or damaged)."""
    method, _, rest = verifier.partition("$")
    parameters, _, _ = rest.partition("$")
    iterations, _, salt = parameters.partition(":")
    if method != "SCRAM-SHA-256" or not iterations.isdecimal():
        return None
    try:
        return base64.b64decode(salt, validate=True), int(iterations)
    except binascii.Error:
        return None


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _prepare(password: str) -> str:
    """SASLprep (RFC 4013) as PostgreSQL does it: a password that the profile does not allow is taken as it is."""
    if password.isascii():
        return password
    mapped = "".join(" " if stringprep.in_table_c12(sign) else sign for sign in password if not stringprep.in_table_b1(sign))
    prepared = unicodedata.normalize("NFKC", mapped)
    if not prepared or any(prohibited(sign) for sign in prepared for prohibited in _PROHIBITED) or _mixes_directions(prepared):
        return password
    return prepared


def _mixes_directions(text: str) -> bool:
    """RFC 3454, section 6: right-to-left text begins and ends so, and holds nothing of the other direction."""
    if not any(stringprep.in_table_d1(sign) for sign in text):
        return False
    whole = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return not whole or any(stringprep.in_table_d2(sign) for sign in text)
