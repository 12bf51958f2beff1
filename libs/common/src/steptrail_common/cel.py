"""The library of expressions, loaded at the first expression: most of what imports this never meets one."""

from typing import Any


def load() -> Any:
    """The compiled module. Python's own lock of imports lets only one thread begin it."""
    from steptrail_common.cel_compiled import module

    return module
