"""Text that every store can hold."""

MAX_TEXT = 20_000
"""Characters kept of one text of an event; a verdict is one sentence."""


def storable(value: str | None) -> str | None:
    """The text without NUL and lone surrogates, which PostgreSQL and UTF-8 refuse; each becomes U+FFFD."""
    if value is None:
        return None
    kept = value[:MAX_TEXT].replace("\x00", "\ufffd")
    return kept.encode("utf-8", "replace").decode("utf-8") if not kept.isascii() else kept
