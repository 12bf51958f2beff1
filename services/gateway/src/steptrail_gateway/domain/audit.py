"""The audit log: lines that are only ever added, each carrying a hash over itself and the line before."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from steptrail_common.contracts.gateway import AuditEntry
from steptrail_common.contracts.model import utc

FIRST_HASH: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Deed:
    """What is to be written down: who did what to which object, from where."""

    actor: str
    action: str
    object: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    address: str | None = None


def chained_hash(previous: str, number: int, at: datetime, deed: Deed) -> str:
    """SHA-256 over the hash before and the canonical JSON of this line."""
    line = [number, utc(at), deed.actor, deed.action, deed.object, deed.detail, deed.address]
    text = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(f"{previous}\n{text}".encode()).hexdigest()


def first_fault(entries: Iterable[AuditEntry], before: AuditEntry | None = None) -> int | None:
    """The number of the first line that was changed, or follows a removed one; None when the chain holds.

    `entries` are lines in order of number, from the first on or from the one after `before`. That the newest lines were
    cut off cannot be seen in the chain itself: compare the last number and hash with a copy kept elsewhere.
    """
    previous, expected = (before.hash, before.number + 1) if before is not None else (FIRST_HASH, 1)
    for entry in entries:
        deed = Deed(entry.actor, entry.action, entry.object, entry.detail, entry.address)
        if entry.number != expected or entry.hash != chained_hash(previous, entry.number, entry.at, deed):
            return expected
        previous, expected = entry.hash, expected + 1
    return None
