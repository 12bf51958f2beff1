"""What the notifier needs from outside: a store, a way to post, keys for secrets."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from steptrail_common.contracts.notifier import ChannelView, Delivery, RuleView, RuleWrite

from steptrail_notifier.domain.delivery import Attempt, Step
from steptrail_notifier.domain.outcomes import Outcome
from steptrail_notifier.domain.rules import Rule


@dataclass(frozen=True, slots=True)
class Channel:
    """A webhook as stored. `sealed_key` opens only for this channel and the host of `url`."""

    channel_id: str
    name: str
    url: str
    sealed_key: str = field(repr=False)
    active: bool
    created_at: datetime
    updated_at: datetime

    def view(self) -> ChannelView:
        return ChannelView(
            channel_id=self.channel_id,
            name=self.name,
            kind="webhook",
            url=self.url,
            active=self.active,
            secret_set=True,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )


@dataclass(frozen=True, slots=True)
class ProcessNote:
    """What is known of a process: the latest definition's category and rules. `at` is when it was said."""

    process_id: str
    at: datetime
    category: str | None = None
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A message to be sent. `refused`: why it cannot even be tried; it is then shown as undelivered."""

    delivery_id: str
    channel_id: str
    rule_id: str | None
    run_id: str | None
    process_id: str | None
    moment: str
    body: str
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery this replica may send until its lease ends. `channel` None: it was deleted meanwhile."""

    delivery_id: str
    channel_id: str
    channel: Channel | None
    body: str
    tries: int
    give_up_at: datetime
    token: str


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to list; None means all."""

    channel_id: str | None = None
    rule_id: str | None = None
    run_id: str | None = None
    process_id: str | None = None
    status: str | None = None


class Recording(Protocol):
    """One open transaction over some processes, whose series nobody else changes until it ends."""

    processes: dict[str, ProcessNote]
    """What is known of the processes asked for."""
    rules: Sequence[Rule]
    """All active rules that were made by hand."""
    channels: Mapping[str, bool]
    """Every channel, and whether it is active."""

    async def define(self, note: ProcessNote) -> None:
        """Keep what is known of a process."""

    async def add(self, outcomes: Mapping[Outcome, Mapping[str, Any]]) -> list[Outcome]:
        """Keep outcomes with their events; returns those that were new, in their order."""

    async def ended_since(self, process_id: str, at: datetime) -> list[Outcome]:
        """The process's outcomes from a moment on, in their order."""

    async def series(self, outcome: Outcome) -> list[Outcome]:
        """The outcomes of the same process and key around this one (100 and more each side), in their order."""

    async def told(self, rule_id: str, run_ids: Collection[str]) -> set[tuple[str, str]]:
        """(run_id, moment) of the deliveries of a rule for these runs."""

    async def event(self, run_id: str) -> Mapping[str, Any]:
        """The event of an outcome."""

    async def queue(self, delivery: NewDelivery) -> bool:
        """Make a delivery, due now; False if there is one with this id."""


class NotifierStore(Protocol):
    """Channels, rules, outcomes and deliveries of one installation. Due times are by the database's clock."""

    def recording(self, process_ids: Collection[str]) -> AbstractAsyncContextManager[Recording]:
        """Begin a transaction: commits at the end, rolls back on an exception. Serialised per process."""

    async def newest(self) -> datetime | None:
        """When the run that ended last did so, of those known; None without one. Raises `Unavailable`."""

    async def channels(self, *, after: str | None, limit: int) -> list[Channel]:
        """Channels by id."""

    async def channel(self, channel_id: str) -> Channel:
        """Raises `NotFound`."""

    async def add_channel(self, channel: Channel) -> Channel:
        """Raises `Conflict` if the id is taken."""

    async def change_channel(self, channel: Channel) -> Channel:
        """Replace what may change. Raises `NotFound`."""

    async def delete_channel(self, channel_id: str) -> None:
        """Raises `NotFound`, or `Conflict` naming the rules that use it. Pending deliveries become undelivered."""

    async def rules(self, *, after: str | None, limit: int) -> list[RuleView]:
        """Rules made by hand, by id."""

    async def add_rule(self, rule: RuleWrite) -> RuleView:
        """Raises `Conflict` if the id is taken, `InvalidInput` if there is no such channel."""

    async def delete_rule(self, rule_id: str) -> None:
        """Raises `NotFound`."""

    async def deliveries(
        self, wanted: DeliveryFilter, *, after: tuple[datetime, str] | None, limit: int
    ) -> list[Delivery]:
        """The delivery log, newest first."""

    async def delivery(self, delivery_id: str) -> Delivery:
        """Raises `NotFound`."""

    async def queue_test(self, delivery: NewDelivery, *, lease_seconds: float) -> Claimed:
        """Make a delivery that is claimed by the caller at once."""

    async def retry(self, delivery_id: str) -> Delivery:
        """Due now, for another 24 h. Raises `NotFound`, or `Conflict` if it was delivered."""

    async def claim(
        self, *, limit: int, per_channel: int, busy: Collection[str], lease_seconds: float
    ) -> list[Claimed]:
        """Take due deliveries, at most so many per channel and none of the busy channels, and count the try.

        Several replicas never get the same one; one that is not finished before its lease ends is due again.
        """

    async def finish(self, claimed: Claimed, attempt: Attempt, step: Step) -> bool:
        """Write what a try brought; False, and nothing changed, if the claim is not held any more."""

    async def now(self) -> datetime:
        """The database's clock."""

    async def tidy(self) -> None:
        """Drop what is too old to matter: see the store's constants."""

    async def check(self) -> None:
        """Raise if the store cannot be used now."""


class Post(Protocol):
    """The way out."""

    async def __call__(self, url: str, body: str, headers: Mapping[str, str]) -> Attempt:
        """One POST with a limit on connect and total time; never raises, never follows a redirect."""


class Gate(Protocol):
    """What may be an address of a webhook."""

    async def __call__(self, url: str) -> None:
        """Raises `InvalidInput` naming `url` for an address that could never be reached."""


class SigningKeys(Protocol):
    """Seals signing keys for the store."""

    def seal(self, key: str, *, channel_id: str, url: str) -> str:
        """Ciphertext that opens only for this channel and this host."""

    def open(self, sealed: str, *, channel_id: str, url: str) -> str:
        """Raises `SealRefused`."""
