"""The catalog service, as the orchestrator needs it."""

from typing import Protocol

from steptrail_common.contracts.catalog import ConnectionRights, ConnectionView, SealedConnection
from steptrail_common.contracts.definition import Definition, Document

from steptrail_orchestrator.domain.run import Chain


class Catalog(Protocol):
    """Definitions and connections, as the catalog service has them."""

    async def chain(self, process_id: str) -> Chain:
        """The active revision with its connections, about a second old at most. Raises `NotFound`, `Unavailable`."""

    async def definition(self, process_id: str) -> tuple[int, Definition]:
        """The active revision and its number, read now. Raises `NotFound`, `Unavailable`."""

    async def revisions(self) -> dict[str, int]:
        """The number of the active revision of every process. Raises `Unavailable`."""

    async def draft(self, document: Document) -> Chain:
        """The same for a definition that is not saved. Raises `InvalidInput` naming its faults."""

    async def connection(self, connection_id: str) -> SealedConnection:
        """Raises `NotFound`, `Unavailable`."""

    async def connections(self) -> list[ConnectionView]:
        """All connections as people see them, without secrets. Raises `Unavailable`."""

    async def store_rights(self, connection_id: str, rights: ConnectionRights) -> None:
        """Keep what a worker found the account of a connection may do."""

    def forget(self) -> None:
        """Drop what is cached: a process or a connection has changed."""
