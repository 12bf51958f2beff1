"""Ids of others on their way into a downstream address."""

import re
from typing import Final

from steptrail_common.errors import NotFound

_ID: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.~-]{0,127}$")


def segment(identifier: str) -> str:
    """The id itself when it can be one path segment; anything else names nothing and answers like an unknown id.

    Dots alone, slashes and percent signs never get into an address that we call.
    """
    if _ID.fullmatch(identifier) is None or ".." in identifier:
        raise NotFound("There is nothing with this id.")
    return identifier
