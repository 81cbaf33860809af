"""Length budgets of names, and the one place that turns a database user into a part of an object's name."""

from __future__ import annotations

from typing import Final

COMPONENT_NAME_LENGTH: Final = 20
BLUEPRINT_AND_COMPONENT_LENGTH: Final = 45
"""`<blueprint>-<component>-sentinel-0` and a StatefulSet's revision label (name plus 11 characters) must stay within 63 characters."""


def user_name_part(user: str) -> str:
    """Spell a database user as part of an object's name. User names have no hyphen, so no two users meet in one name."""
    return user.replace("_", "-")
