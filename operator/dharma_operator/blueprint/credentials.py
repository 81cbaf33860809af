"""The Secrets of a Blueprint: read from the watch cache, and made before anything else when a password is missing."""

import asyncio
import base64
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, cast

from dharma_handlers.blueprint.actions import SecretWrite
from dharma_handlers.outcome import Manifest, Wanted
from dharma_operator.kube.client import Client
from dharma_operator.kube.errors import AlreadyExists
from dharma_operator.kube.plan import child_of
from dharma_operator.kube.resources import SECRET, ObjectKey, key_of
from dharma_operator.store import Store

PASSWORD_BYTES = 24
"""192 bits, 32 characters."""


def generate_password() -> str:
    """Return a new password of URL-safe characters, from the operating system's randomness."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def decoded(children: Mapping[ObjectKey, Manifest]) -> dict[str, Mapping[str, str]]:
    """Return the Secrets among `children`: name → key → value. A value that is no text is left out."""
    return {key.name: _texts(child) for key, child in children.items() if key.resource == SECRET}


async def write(client: Client, store: Store, owner: Manifest, missing: Iterable[SecretWrite]) -> dict[str, Mapping[str, str]]:
    """Write the Secrets and return what they hold now: what is there already is kept. Raises ApiError.

    They are the owner's children from the first: should it go before anything else is made for it, they go too, if they are to.
    """
    written = await asyncio.gather(*(_write(client, store, child_of(owner, Wanted(one.manifest)).manifest, one) for one in missing))
    return {secret["metadata"]["name"]: _texts(secret) for secret in written}


async def _write(client: Client, store: Store, manifest: Manifest, missing: SecretWrite) -> Manifest:
    if missing.exists:
        secret = await client.apply(manifest)
    else:
        try:
            secret = await client.create(manifest)
        except AlreadyExists:
            found = await client.get(key_of(manifest))
            if found is None:
                raise  # made and gone between two requests: the next reconcile finds out
            return found
    store.wrote(secret)
    return secret


def _texts(secret: Manifest) -> dict[str, str]:
    texts: dict[str, str] = {}
    for key, value in cast("Mapping[str, Any]", secret.get("data") or {}).items():
        raw = base64.b64decode(value)
        try:
            texts[key] = raw.decode()
        except UnicodeDecodeError:
            continue
    return texts
