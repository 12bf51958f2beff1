"""Where something is in a definition, and what is wrong there."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from steptrail_common.contracts.model import FieldError

Place = tuple[str | int, ...]
"""The keys and indexes that lead to a value: `("steps", 2, "check", "url")`."""

MAX_FAULTS = 100
"""Faults reported at once; whoever has more begins with these."""
MAX_SHOWN = 80
"""Characters of a user's text that are quoted in a message."""
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*\Z")


def spell(place: Place) -> str:
    """`steps[2].check.url`; keys that are not plain words are quoted: `vars["a b"]`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.match(part):
            text += f".{part}" if text else part
        else:
            text += f'["{shortened(part)}"]'
    return text


def shortened(text: str) -> str:
    """A user's text as it may be quoted in a message: short and printable."""
    printable = "".join(char if char.isprintable() else "�" for char in text[: MAX_SHOWN + 1])
    return printable if len(text) <= MAX_SHOWN else f"{printable[: MAX_SHOWN - 1]}…"


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """The second half of a message about a word nobody knows: the nearest one, else all there are."""
    names = [str(name) for name in known]
    near = difflib.get_close_matches(wrong[:100], names, n=1, cutoff=0.55)
    if near:
        return f"did you mean `{near[0]}`?"
    listed = ", ".join(names[:30]) + (", …" if len(names) > 30 else "")
    return f"known here: {listed}" if names else "nothing is known here"


@dataclass
class Faults:
    """Collects what is wrong and what is doubtful. `lines` says where a place begins in a YAML text."""

    lines: Mapping[Place, int] = field(default_factory=dict)
    errors: list[FieldError] = field(default_factory=list)
    warnings: list[FieldError] = field(default_factory=list)

    def add(self, place: Place, message: str) -> None:
        if len(self.errors) < MAX_FAULTS:
            self.errors.append(self._fault(place, message))

    def warn(self, place: Place, message: str) -> None:
        if len(self.warnings) < MAX_FAULTS:
            self.warnings.append(self._fault(place, message))

    def _fault(self, place: Place, message: str) -> FieldError:
        return FieldError(path=spell(place), message=message, line=self.line_of(place))

    def line_of(self, place: Place) -> int | None:
        """The line of a place, or of the nearest thing around it that has one."""
        for length in range(len(place), -1, -1):
            if (line := self.lines.get(place[:length])) is not None:
                return line
        return None
