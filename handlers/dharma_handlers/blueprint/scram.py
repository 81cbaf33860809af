"""Whether a stored SCRAM verifier belongs to a password: how drift of a role's password is seen without logging in as it."""

import base64
import binascii
import hashlib
import hmac
import stringprep
import unicodedata

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


def matches(verifier: str | None, password: str) -> bool:
    """Tell whether `verifier` (`SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, RFC 5803) was made from `password`.

    False too for none, or for one of another kind. Costs one PBKDF2 of as many rounds as the verifier names, 4096 by default: about two
    milliseconds.
    """
    try:
        mechanism, cost, keys = (verifier or "").split("$")
        iterations, salt = cost.split(":")
        stored_key = keys.split(":")[0]
        if mechanism != "SCRAM-SHA-256":
            return False
        salted = hashlib.pbkdf2_hmac("sha256", prepared(password).encode(), base64.b64decode(salt, validate=True), int(iterations))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        return hmac.compare_digest(hashlib.sha256(client_key).digest(), base64.b64decode(stored_key, validate=True))
    except (ValueError, binascii.Error):
        return False


def prepared(password: str) -> str:
    """Apply SASLprep (RFC 4013) as PostgreSQL does it: a password that the profile does not allow is taken as it is."""
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
