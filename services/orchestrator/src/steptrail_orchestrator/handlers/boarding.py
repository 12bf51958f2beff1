"""Taking the stuck board: one query for the open keys, one for each step, all at the same time."""

import asyncio
import time

from steptrail_common.contracts.catalog import SealedConnection
from steptrail_common.contracts.definition import KeySet, Population
from steptrail_common.contracts.workers import KeyAnswer, KeyRequest
from steptrail_common.errors import InvalidInput, NotFound, SteptrailError, Unavailable

from steptrail_orchestrator.domain.board import (
    MAX_OPEN_KEYS,
    MAX_PASSED_KEYS,
    QUERY_SECONDS,
    Placed,
    Taken,
    counted_steps,
    funnel,
    place,
)
from steptrail_orchestrator.domain.run import Chain
from steptrail_orchestrator.ports import BoardStore, Catalog, Prober, RunReader

AT_ONCE = 4
"""Queries of one board under way at the same time."""
_EXTRA_SECONDS = 10.0
"""What a worker gets beyond the query's timeout to take it and to answer."""


class BoardFailed(SteptrailError):
    """A query of the board could not be answered; the message says which and why."""

    status, title, slug = 502, "Board not taken", "board-failed"


class Boarding:
    """Takes boards. Who asks for one that this replica is taking at the moment shares it."""

    def __init__(
        self,
        *,
        boards: BoardStore,
        catalog: Catalog,
        prober: Prober,
        reader: RunReader,
        live_seconds: float,
    ) -> None:
        self._boards = boards
        self._catalog = catalog
        self._prober = prober
        self._reader = reader
        self._live_seconds = live_seconds
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def refresh(self, process_id: str, *, actor: str) -> None:
        """Take the board anew; a failure is kept beside the last good one.

        Raises `NotFound` (no such process, or none with a population), `Unavailable` (store or catalog away).
        """
        task = self._under_way.get(process_id)
        if task is None:
            task = asyncio.create_task(self._take(process_id, actor), name=f"board {process_id}")
            self._under_way[process_id] = task
            task.add_done_callback(lambda _: self._under_way.pop(process_id, None))
        await asyncio.shield(task)

    async def _take(self, process_id: str, actor: str) -> None:
        chain = await self._catalog.chain(process_id)
        population = chain.definition.population
        if population is None:
            raise NotFound(f"the process {process_id} has no population: add one to see its stuck board")
        try:
            await self._require_worker()
            taken, placed = await self._asked(chain, population, actor)
        except (BoardFailed, InvalidInput, Unavailable) as error:
            await self._boards.failed(process_id, error.detail)
            return
        await self._boards.store(taken, placed)

    async def _asked(self, chain: Chain, population: Population, actor: str) -> tuple[Taken, list[Placed]]:
        began = time.monotonic()
        counted = counted_steps(chain.definition)
        slots = asyncio.Semaphore(AT_ONCE)
        answers = await asyncio.gather(
            self._keys("population", population, population, chain, slots),
            *(self._keys(f"steps.{step.id}.set", keys, population, chain, slots) for _, step, keys in counted),
        )
        first, others = answers[0], answers[1:]
        since = first.since or [None] * len(first.keys)
        open_keys = dict(zip(first.keys, since, strict=True))
        passed = {number: answer.keys for (number, _, _), answer in zip(counted, others, strict=True)}
        placed = place(open_keys, list(passed), passed)
        taken = Taken(
            process_id=chain.definition.process,
            revision=chain.snapshot.revision,
            taken_at=await self._reader.now(),
            taken_by=actor,
            duration_seconds=time.monotonic() - began,
            steps=funnel(chain.definition, placed, passed),
            open_keys=len(open_keys),
            finished=sum(one.number is None for one in placed) if counted else 0,
        )
        return taken, placed

    async def _require_worker(self) -> None:
        """Say at once that nobody can answer, instead of waiting for it. Raises `BoardFailed`."""
        workers = await self._reader.workers()
        if not any("db_query" in one.check_types and one.silent_seconds < self._live_seconds for one in workers):
            raise BoardFailed("no worker listens for db_query; start one and take the board again")

    async def _keys(
        self, named: str, wanted: KeySet, population: Population, chain: Chain, slots: asyncio.Semaphore
    ) -> KeyAnswer:
        """Raises `BoardFailed`, `Unavailable`."""
        connection = _connection(named, wanted, population, chain)
        timeout_seconds = wanted.timeout or QUERY_SECONDS
        request = KeyRequest(
            connection=connection,
            query=wanted.query,
            params=wanted.params,
            key=wanted.key,
            since=wanted.since if isinstance(wanted, Population) else None,
            max_keys=MAX_OPEN_KEYS if isinstance(wanted, Population) else MAX_PASSED_KEYS,
            timeout_seconds=timeout_seconds,
        )
        async with slots:
            answer = await self._prober.ask("db_query", keys=request, timeout_seconds=timeout_seconds + _EXTRA_SECONDS)
        if answer.keys is None:
            raise BoardFailed(f"{named}: the worker gave no answer; is it of this version?")
        if answer.keys.message is not None:
            raise BoardFailed(f"{named}: {answer.keys.message}")
        return answer.keys


def _connection(named: str, wanted: KeySet, population: Population, chain: Chain) -> SealedConnection:
    name = wanted.connection or population.connection
    found = chain.snapshot.connections.get(name) if name else None
    if found is None:
        raise InvalidInput.field(f"{named}.connection", f"there is no connection {name}" if name else "is required")
    return found
