"""Attempts that workers hold back since too much of their target is under way: their runs say so."""

from collections import OrderedDict
from collections.abc import Sequence

from steptrail_common.bus.port import Delivery
from steptrail_common.contracts.workers import Heartbeat, Lease

from steptrail_orchestrator.domain import decisions
from steptrail_orchestrator.ports import RunStore, Scene

REMEMBERED = 10_000
"""Attempts of which this replica knows what was told; of others it is looked up again, and told once all the same."""
_SAYS_SOMETHING = b'"waits":"'


class Waiting:
    """What heartbeats say of waiting, written into the runs once when it begins and once when it is over."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._told: OrderedDict[str, bool] = OrderedDict()

    async def note(self, deliveries: Sequence[Delivery]) -> None:
        """`deliveries`: heartbeats that can be read. Most say nothing of it and cost nothing. Raises `Unavailable`."""
        bodies = [one.message.body for one in deliveries if _SAYS_SOMETHING in one.message.body]
        beats = [Heartbeat.model_validate_json(body) for body in bodies]
        said = {lease.token: lease for beat in beats for lease in beat.leases if lease.waits is not None}
        news = {token: lease for token, lease in said.items() if self._told.get(token) != bool(lease.waits)}
        if news:
            await self._write(news)

    async def _write(self, news: dict[str, Lease]) -> None:
        def decision(scene: Scene) -> None:
            for walk in scene.walks.values():
                lease = news.get(walk.attempt.token) if walk.attempt else None
                if lease is not None:
                    waits = (lease.waits or "").replace("\x00", "")  # no column takes it
                    decisions.wait_for_target(walk, lease.token, waits, scene.world.now)

        await self._store.decide({lease.run_id for lease in news.values()}, decision)
        for token, lease in news.items():
            self._told[token] = bool(lease.waits)
            self._told.move_to_end(token)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
