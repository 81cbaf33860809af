"""Whether a stored SCRAM verifier belongs to a password: how drift of a role's password is seen without logging in as it."""

import base64
import binascii
import hashlib
import hmac


def matches(verifier: str | None, password: str) -> bool:
    """Tell whether `verifier` (`SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, RFC 5803) was made from `password`.

    False too for none, or for one of another kind. Passwords are ASCII here (the operator generates them), so SASLprep changes nothing.
    Costs one PBKDF2 of as many rounds as the verifier names, 4096 by default: about two milliseconds.
    """
    try:
        mechanism, cost, keys = (verifier or "").split("$")
        iterations, salt = cost.split(":")
        stored_key = keys.split(":")[0]
        if mechanism != "SCRAM-SHA-256":
            return False
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt, validate=True), int(iterations))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        return hmac.compare_digest(hashlib.sha256(client_key).digest(), base64.b64decode(stored_key, validate=True))
    except (ValueError, binascii.Error):
        return False
