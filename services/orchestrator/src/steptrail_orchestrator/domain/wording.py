"""How durations and step numbers are said in a sentence."""

from collections.abc import Sequence

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def span(seconds: float) -> str:
    """A duration for people: `0.02 s`, `1.9 s`, `42 s`, `30 min`, `1 min 30 s`, `3 h 12 m`, `2 d 4 h`.

    From 10 s on what is not said is cut off, as on a clock: the page says waits with the same rule (`formatSpan` in
    `format.ts`), so that a sentence and the step beside it never differ by a minute.
    """
    seconds = max(0.0, seconds)
    if 0 < seconds < 0.095:
        return f"{max(seconds, 0.01):.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = max(10, int(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < 10 * _MINUTE and whole % _MINUTE:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    minutes = whole // _MINUTE
    if minutes < _MINUTE:
        return f"{minutes} min"
    if whole < 2 * _DAY:
        return f"{minutes // 60} h {minutes % 60} m" if minutes % 60 else f"{minutes // 60} h"
    hours = whole // _HOUR
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def ahead(seconds: float) -> str:
    """A time that is still to come, to the nearest minute: what is due in 30 min is not due in 29 a moment later."""
    return span(seconds if seconds < 10 * _MINUTE else round(seconds / _MINUTE) * _MINUTE)


def allowance(seconds: float) -> str:
    """A duration a person wrote into a definition: exact and without a decimal point: `30 min`, `5 s`, `24 h`."""
    text = span(seconds)
    return text.replace(".0 s", " s")


def ranges(numbers: Sequence[int]) -> str:
    """`[1, 2, 3, 5]` → `1–3, 5`."""
    groups: list[list[int]] = []
    for number in sorted(numbers):
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ", ".join(str(group[0]) if len(group) == 1 else f"{group[0]}–{group[-1]}" for group in groups)


def sentence(text: str) -> str:
    """One line without a closing full stop, cut to what fits a verdict."""
    line = " ".join(text.split())
    return (line if len(line) <= 300 else line[:299] + "…").rstrip(". ")
