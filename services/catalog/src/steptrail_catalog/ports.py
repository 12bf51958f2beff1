"""What the catalog needs from the outside: two stores. Each has one contract suite that runs on every adapter.

Every change carries the event that tells of it; the event is stored in the same atomic write and published afterwards,
so that what was saved is always told. Times are given by the caller, in UTC.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from steptrail_common.bus.port import Destination, Message
from steptrail_common.clock import Clock
from steptrail_common.contracts.catalog import ProcessSummary

Told = tuple[Destination, Message]
"""An event on its way: where to, and what."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One immutable save. `document` is as written, `definition` the parsed form as JSON, `source_yaml` its YAML."""

    process_id: str
    revision: int
    document: dict[str, Any]
    definition: dict[str, Any]
    source_yaml: str
    saved_at: datetime
    saved_by: str
    note: str | None = None
    restored_from: int | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """A process with its newest revision."""

    created_at: datetime
    current: Revision

    @property
    def process_id(self) -> str:
        return self.current.process_id


@dataclass(frozen=True, slots=True)
class ProcessFilter:
    """All given conditions must hold. Every word of `text` occurs in id, name, description or tags, in any case."""

    text: str | None = None
    category: str | None = None
    tags: Sequence[str] = ()
    owner: str | None = None
    active: bool | None = None
    board: bool | None = None
    ids: Collection[str] | None = None
    connection_id: str | None = None


class ProcessStore(Protocol):
    """Processes and their revisions. A deleted process keeps its revisions; its numbers are never given out again."""

    async def create(self, revision: Revision, told: Told) -> Process:
        """Store the first revision, numbered by `next_revision`.

        Atomic. Raises `Conflict` when a process of this id exists, or existed for a moment meanwhile.
        """

    async def save(self, revision: Revision, told: Told) -> Process:
        """Store `revision`, whose number is one above the newest. Atomic.

        Raises `NotFound`; `Stale` when someone else saved first.
        """

    async def delete(self, process_id: str, *, expected: int | None, told: Told) -> None:
        """Raises `NotFound`; `Stale` when the newest revision is not `expected`."""

    async def get(self, process_id: str) -> Process:
        """Raises `NotFound`."""

    async def next_revision(self, process_id: str) -> int:
        """The number a process of this id would begin with: 1, or one above the last of a deleted one."""

    async def revision(self, process_id: str, number: int) -> Revision:
        """Raises `NotFound`."""

    async def revisions(self, process_id: str, *, before: int | None, limit: int) -> Sequence[Revision]:
        """Newest first, those below `before`. Raises `NotFound` for an unknown process."""

    async def search(
        self, wanted: ProcessFilter, *, after: tuple[str, str] | None, limit: int
    ) -> Sequence[ProcessSummary]:
        """In order of (`sort_name`, id), those after the place named. Reads no definitions."""

    async def facets(self) -> dict[str, Sequence[tuple[str, int]]]:
        """`categories`, `tags`, `owners`: values with the number of processes, most first, at most 200 each."""

    async def using(self, connection_id: str, *, limit: int = 10) -> Sequence[str]:
        """Ids of processes whose newest revision names the connection."""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """Ciphertext (base64 of a sealed box), and when it was given."""

    text: str = field(repr=False)
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as it is stored: secrets are ciphertext. `settings` and `rights` are JSON of their contracts."""

    connection_id: str
    name: str
    description: str | None
    settings: dict[str, Any]
    secrets: dict[str, SealedSecret]
    rights: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    updated_by: str


class ConnectionStore(Protocol):
    """Connections. Versions of a deleted one are never given out again."""

    async def create(self, connection: Connection, told: Told) -> Connection:
        """Atomic; its version is that of `next_version`. Raises `Conflict` when the id is taken."""

    async def save(self, connection: Connection, told: Told) -> Connection:
        """Store a version that is one above the present one. Raises `NotFound`, `Stale`."""

    async def delete(self, connection_id: str, told: Told) -> None:
        """Raises `NotFound`."""

    async def get(self, connection_id: str) -> Connection:
        """Raises `NotFound`."""

    async def next_version(self, connection_id: str) -> int:
        """The version a connection of this id would begin with: 1, or one above the last of a deleted one."""

    async def many(self, ids: Collection[str]) -> Sequence[Connection]:
        """Those that exist, in any order."""

    async def page(self, *, after: str | None, limit: int) -> Sequence[Connection]:
        """In order of id."""

    async def store_rights(self, connection_id: str, rights: dict[str, Any]) -> None:
        """Keep what a worker found; no new version. Raises `NotFound`."""


@dataclass(frozen=True, slots=True)
class Stores:
    """What every use case needs."""

    processes: ProcessStore
    connections: ConnectionStore
    clock: Clock
    public_key: str
