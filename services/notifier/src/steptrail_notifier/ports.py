"""What the notifier needs from outside: a store, ways to carry messages, keys for secrets."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from steptrail_common.contracts.events import CloudEvent
from steptrail_common.contracts.incidents import AffectedKey, IncidentRef, IncidentState, IncidentSummary, IncidentView
from steptrail_common.contracts.mail import EmailSettings
from steptrail_common.contracts.notifier import ChannelKind, ChannelView, Delivery, RuleView, RuleWrite

from steptrail_notifier.domain.delivery import Attempt, Step
from steptrail_notifier.domain.incidents import Cleared, Incident, Slot
from steptrail_notifier.domain.outcomes import Outcome
from steptrail_notifier.domain.rules import Rule


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as stored. `sealed_key` holds its secret (empty: it has none) and opens only for it and the host of
    `url`, which for e-mail is the mail server."""

    channel_id: str
    name: str
    url: str
    sealed_key: str = field(repr=False)
    active: bool
    created_at: datetime
    updated_at: datetime
    kind: ChannelKind = "webhook"
    email: EmailSettings | None = None

    def view(self) -> ChannelView:
        return ChannelView(
            channel_id=self.channel_id,
            name=self.name,
            kind=self.kind,
            url=self.url if self.kind == "webhook" else None,
            email=self.email,
            active=self.active,
            secret_set=self.sealed_key != "",
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
    incident_id: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery this replica may send until its lease ends. `channel` None: it was deleted meanwhile. `owed`: those of
    its recipients who have not got it; empty: all of them."""

    delivery_id: str
    channel_id: str
    channel: Channel | None
    body: str
    tries: int
    give_up_at: datetime
    token: str
    owed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to list; None means all."""

    channel_id: str | None = None
    rule_id: str | None = None
    run_id: str | None = None
    process_id: str | None = None
    status: str | None = None


IncidentPlace = tuple[int, int, datetime, str]
"""Where an incident stands in the list: group (open, acknowledged, resolved), severity, moment, id."""


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents to list; nothing named means all."""

    states: frozenset[IncidentState] = frozenset()
    process_id: str | None = None


class Recording(Protocol):
    """One open transaction over some processes, whose series nobody else changes until it ends."""

    processes: dict[str, ProcessNote]
    """What is known of the processes asked for."""
    rules: Sequence[Rule]
    """All active rules that were made by hand."""
    channels: Mapping[str, bool]
    """Every channel, and whether it is active."""
    afflicted: set[str]
    """The processes among them that may have keys in open incidents; of all others it is known that they have none."""

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

    async def later(self, outcome: Outcome) -> list[tuple[Outcome, Mapping[str, Any]]]:
        """Newer outcomes of the same process and key (up to 150) with their events, in their order."""

    async def now(self) -> datetime:
        """The database's clock."""

    async def hold(self, seeds: Mapping[str, tuple[Incident, Outcome]], slots: Collection[Slot]) -> list[Incident]:
        """Lock the incidents a batch concerns, each with those of the slots that ever stood in it.

        They are the open ones that these slots stand in, and one for each cause of `seeds`: the open one, else the
        newest resolved one that the outcome may open again, else the seed, which is stored. No cause ever has two.
        """

    async def held(self, incident_id: str) -> Incident:
        """Lock one incident, without its slots. Raises `NotFound`."""

    async def with_open_keys(self, *, process_id: str | None = None, unseen_since: datetime | None = None) -> list[str]:
        """Ids of incidents with open slots of a process, or not seen since a moment; at most 1,000."""

    async def clear(
        self,
        incident_id: str,
        at: datetime,
        by: Cleared,
        *,
        process_id: str | None = None,
        unseen_since: datetime | None = None,
    ) -> int:
        """Clear all open slots of a held incident, or those of a process, or those not seen since. How many."""

    async def keep(self, incident: Incident) -> None:
        """Write a held incident with what changed of its slots and its new lines."""

    async def announce(self, events: Sequence[CloudEvent]) -> None:
        """Events of incidents leave after the commit, and only then."""

    async def afflict(self, process_ids: Collection[str], *, yes: bool) -> None:
        """Note that processes may have keys in open incidents, or that they have none."""

    async def process_ids(self, incident_id: str, limit: int) -> list[str]:
        """The processes of an incident, those seen last first."""

    async def notes(self, process_ids: Collection[str]) -> list[ProcessNote]:
        """What is known of processes, not locked."""

    async def incident_told(self, incident_ids: Collection[str]) -> dict[tuple[str, str], list[tuple[str, datetime]]]:
        """(delivery id, made at) of what was told of incidents, by incident and channel."""


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

    async def change_rule(self, rule: RuleWrite) -> RuleView:
        """Replace everything but its id; what it told stays told. Raises `NotFound`, `InvalidInput` as above."""

    async def delete_rule(self, rule_id: str) -> None:
        """Raises `NotFound`."""

    async def deliveries(
        self, wanted: DeliveryFilter, *, after: tuple[datetime, str] | None, limit: int
    ) -> list[Delivery]:
        """The delivery log, newest first."""

    async def delivery(self, delivery_id: str) -> Delivery:
        """Raises `NotFound`."""

    async def incidents(
        self, wanted: IncidentFilter, *, after: IncidentPlace | None, limit: int
    ) -> list[tuple[IncidentPlace, IncidentSummary]]:
        """Open ones first, then those somebody has in hand, the worst and newest of each first; then the resolved."""

    async def incident_counts(self) -> tuple[int, int]:
        """How many are open and how many acknowledged."""

    async def incident(self, incident_id: str) -> IncidentView:
        """Raises `NotFound`."""

    async def incident_keys(
        self, incident_id: str, *, open_only: bool, process_id: str | None, after: Slot | None, limit: int
    ) -> list[AffectedKey]:
        """By process and key. Raises `NotFound`."""

    async def incidents_of(self, process_ids: Collection[str]) -> list[IncidentRef]:
        """For each process that has keys in open incidents the one to look at first."""

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


class Carrier(Protocol):
    """The way out to one kind of channel."""

    async def __call__(self, claimed: Claimed, channel: Channel, secret: str, at: datetime) -> Attempt:
        """One try with a limit on connect and total time; never raises. `at` is the time of the try."""


Carriers = Mapping[ChannelKind, Carrier]


class Gate(Protocol):
    """What may be an address of a channel."""

    async def __call__(self, url: str) -> None:
        """Raises `InvalidInput` naming the field for an address that could never be reached."""


class SigningKeys(Protocol):
    """Seals signing keys and passwords for the store."""

    def seal(self, key: str, *, channel_id: str, url: str) -> str:
        """Ciphertext that opens only for this channel and this host."""

    def open(self, sealed: str, *, channel_id: str, url: str) -> str:
        """Raises `SealRefused`."""
