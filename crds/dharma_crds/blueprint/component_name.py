"""Names of components, used by all that refer to one."""

from __future__ import annotations

from typing import Annotated

from dharma_crds.formats import matching
from dharma_crds.names import COMPONENT_NAME_LENGTH

ComponentName = Annotated[
    str,
    matching(
        "component-name",
        r"[a-z]([-a-z0-9]*[a-z0-9])?",
        "must be lower-case letters, digits and hyphens, at most 20, beginning with a letter and not ending with a hyphen",
        COMPONENT_NAME_LENGTH,
    ),
]
