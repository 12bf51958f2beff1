"""Users' regular expressions, in linear time by RE2: no pattern can hang a worker."""

from functools import lru_cache
from typing import Any

import re2
from steptrail_common.contracts.model import FailureClass

from steptrail_checks.port import CheckFailed

MAX_PATTERN_CHARACTERS = 1000
_MAX_PROGRAM_BYTES = 8 * 1024 * 1024


@lru_cache(maxsize=512)
def pattern(text: str) -> Any:
    """The compiled pattern. Raises `CheckFailed` (`invalid_definition`) that names what RE2 does not take."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_PROGRAM_BYTES
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise _wrong(text, f"longer than {MAX_PATTERN_CHARACTERS} characters")
    try:
        return re2.compile(text, options)
    except (re2.error, UnicodeEncodeError) as error:
        detail = error.args[0] if error.args else "not valid"
        detail = detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)
        raise _wrong(text, f"{detail} (back references and look-around are not supported)") from error


def _wrong(text: str, detail: str) -> CheckFailed:
    return CheckFailed(
        FailureClass.INVALID_DEFINITION, f"the regular expression {text[:80]!r} is wrong: {detail}", reason="bad_regex"
    )
