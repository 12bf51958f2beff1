"""Stored definition snapshots, kept in memory."""

from collections import OrderedDict
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from steptrail_common.contracts.catalog import DefinitionSnapshot

from steptrail_orchestrator.adapters.schema import definitions
from steptrail_orchestrator.adapters.sql.dialect import one_of
from steptrail_orchestrator.domain.run import Chain


class Chains:
    """Stored snapshots, the recently used ones in memory. They never change, so they are never stale."""

    def __init__(self, capacity: int = 500) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[str, Chain] = OrderedDict()

    def get(self, definition_id: str) -> Chain | None:
        return self._kept.get(definition_id)

    def keep(self, chain: Chain) -> None:
        self._kept[chain.definition_id] = chain
        self._kept.move_to_end(chain.definition_id)
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)

    async def load(self, connection: AsyncConnection, ids: Collection[str]) -> dict[str, Chain]:
        """The chains of these ids; what is not in memory is read."""
        missing = {wanted for wanted in ids if wanted not in self._kept}
        if missing:
            found = await connection.execute(
                sa.select(definitions.c.definition_id, definitions.c.snapshot).where(
                    one_of(connection, definitions.c.definition_id, missing)
                )
            )
            for row in found:
                self.keep(Chain(row.definition_id, DefinitionSnapshot.model_validate_json(row.snapshot)))
        return {wanted: self._kept[wanted] for wanted in ids}
