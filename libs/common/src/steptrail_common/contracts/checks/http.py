"""What pages and APIs have in common: what can be asked of an HTTP answer, and which address they touch."""

from collections.abc import Iterator

from steptrail_common.contracts.checks.configuration import Touch, address_touch, below
from steptrail_common.contracts.connections import ConnectionSettings

HTTP_SUBJECTS = (
    "status", "url", "title", "header", "text", "body", "selector", "xpath", "jsonpath", "regex", "size", "elapsed",
    "content",
)  # fmt: skip
HTTP_CAPTURES = ("jsonpath", "selector", "xpath", "regex", "header")


def http_touches(
    method: str, url: str | None, connection: str | None, path: str | None, settings: ConnectionSettings | None
) -> Iterator[Touch]:
    """One request: of a whole address, or of a path below the base address of a connection."""
    base = getattr(settings, "base_url", None)
    if url is not None:
        yield address_touch(method, url)
    elif base is not None:
        yield address_touch(method, below(base, path))
    else:
        yield Touch("host", f"connection {connection}", path or None)
