"""What the gateway needs from the outside. Every adapter of a store passes the same contract suite.

Every method that changes something takes a `Deed` and writes it to the audit log in the same transaction: what
happened is recorded, or it did not happen. Times are given by the caller, in UTC.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from steptrail_common.contracts.gateway import AuditEntry
from steptrail_common.contracts.orchestrator import RunEvent, RunView

from steptrail_gateway.domain.audit import Deed
from steptrail_gateway.domain.people import ApiToken, Session, SignInCode, User
from steptrail_gateway.domain.throttle import Attempts


class UserStore(Protocol):
    """Accounts. Usernames are unique in their folded form; there is always at least one active administrator."""

    async def add(self, user: User, deed: Deed) -> None:
        """Raises `Conflict` when the username is taken."""

    async def by_id(self, user_id: str) -> User | None: ...

    async def by_name(self, username: str) -> User | None:
        """`username` in its folded form."""

    async def list(self, *, after: str | None, limit: int) -> Sequence[User]:
        """In order of username, those after the one named."""

    async def count(self) -> int: ...

    async def save(self, user: User, deed: Deed, at: datetime, *, end_sessions: bool, keep: str | None = None) -> None:
        """Replace username, role, active flag and password. `end_sessions` ends them all in the same transaction,
        except the session `keep`, and drops unused links.

        Raises `NotFound`; `Conflict` when the username is taken or no active administrator would be left.
        """

    async def signed_in(self, user_id: str, at: datetime) -> None:
        """Note the time of the last sign-in."""

    async def replace_hash(self, user_id: str, old_hash: str, new_hash: str) -> None:
        """Store the same password under newer parameters, unless it changed meanwhile. No deed: nothing happened."""

    async def delete(self, user_id: str, deed: Deed, at: datetime) -> None:
        """With sessions, tokens and links. Raises `NotFound`; `Conflict` for the last active administrator."""


class CredentialStore(Protocol):
    """Sessions, tokens and one-time codes, all found by hash, and the count of attempts to guess them."""

    async def add_session(self, session: Session, deed: Deed, *, replaces: str | None) -> None:
        """Begin a session and end the one whose token hash is `replaces`, in one transaction."""

    async def session(self, token_hash: str) -> tuple[Session, User] | None:
        """With its user, if that user is active. The caller judges whether the session is over."""

    async def touch_session(self, session_id: str, at: datetime) -> None:
        """Note that it was used."""

    async def end_session(self, session_id: str, deed: Deed, at: datetime) -> None:
        """Idempotent."""

    async def add_token(self, token: ApiToken, deed: Deed) -> None: ...

    async def token(self, token_hash: str) -> tuple[ApiToken, User] | None:
        """With its user, if that user is active. The caller judges whether the token is over."""

    async def touch_token(self, token_id: str, at: datetime) -> None:
        """Note that it was used."""

    async def tokens(self, user_id: str, *, after: str | None, limit: int) -> Sequence[ApiToken]:
        """Of one user, in order of id (which grows with time)."""

    async def revoke_token(self, user_id: str, token_id: str, deed: Deed, at: datetime) -> None:
        """Raises `NotFound`, also for a token of somebody else."""

    async def alive(self, credential_ids: Collection[str]) -> Mapping[str, tuple[Session | ApiToken, User]]:
        """Those of the given sessions and tokens that still exist, with their active users: one question for all
        open streams."""

    async def add_code(self, code: SignInCode, deed: Deed) -> None: ...

    async def use_code(self, code_hash: str, at: datetime) -> User | None:
        """Spend a code: of two that try at the same moment exactly one gets the user. None when it is unknown,
        spent, too old, or its user is not active."""

    async def count_attempt(self, subjects: Collection[str], at: datetime, window: timedelta) -> list[Attempts]:
        """Count one attempt for each subject *before* it is judged, so that parallel guesses cannot slip through. A
        window older than `window` starts anew."""

    async def forget_attempts(self, subject: str) -> None:
        """After a success."""

    async def prune(self, at: datetime, idle: timedelta, window: timedelta) -> None:
        """Drop what is over: sessions, codes, counts."""


class AuditLog(Protocol):
    """Lines are added, never changed; the database refuses it too."""

    async def append(self, deed: Deed, at: datetime) -> AuditEntry:
        """Number and chain one line. Appends are serialised over all replicas."""

    async def list(
        self,
        *,
        before: int | None,
        limit: int,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[AuditEntry]:
        """Newest first, those with a smaller number than `before`. `action` matches as a prefix."""

    async def chunk(self, after: int, limit: int) -> Sequence[AuditEntry]:
        """Oldest first, for verifying the chain."""


class PasswordHasher(Protocol):
    """Slow on purpose, and away from the event loop."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """None stands for an unknown account or one without a password: it costs the same time and is False."""

    def outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""


class Answer(Protocol):
    """What a service answered; never an error status."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names are looked up without regard to case."""

    @property
    def content(self) -> bytes: ...

    def aiter_bytes(self) -> AsyncIterator[bytes]: ...


class Downstream(Protocol):
    """Another service behind its internal API. Problem documents come back as the matching `SteptrailError`, a
    service that is away as `Unavailable`."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Answer:
        """The whole answer when it is a success."""

    def stream(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> AbstractAsyncContextManager[Answer]:
        """An answer whose body is read piece by piece, for exports."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The services behind the gateway."""

    catalog: Downstream
    orchestrator: Downstream
    reporting: Downstream
    notifier: Downstream


@dataclass(frozen=True, slots=True)
class Stores:
    """The gateway's own stores."""

    users: UserStore
    credentials: CredentialStore
    audit: AuditLog


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run as it is printed. `contents`: the bytes of evidence by its id, of the steps that need a look; `address`:
    where the run is on the page."""

    run: RunView
    events: list[RunEvent]
    all_events: bool
    contents: Mapping[str, bytes]
    address: str
    printed_by: str
    printed_at: datetime


class Printer(Protocol):
    """Puts reports on paper, beside the event loop."""

    async def run_report(self, report: RunReport) -> bytes:
        """A PDF document. Text from outside stays text, whatever it holds."""

    def close(self) -> None:
        """Stop the work that has not begun."""
