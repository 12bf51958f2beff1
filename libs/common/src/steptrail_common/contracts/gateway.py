"""What the gateway says of its own: people, tokens, roles, and a process with what its runs say."""

from typing import Literal

from pydantic import Field

from steptrail_common.contracts.catalog import ProcessSummary
from steptrail_common.contracts.incidents import IncidentRef
from steptrail_common.contracts.model import Contract, Json, Name, Timestamp
from steptrail_common.contracts.reporting import OverviewCounts, ProcessState

Role = Literal["viewer", "operator", "editor", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "editor", "admin")
"""Each role may do what the ones before it may: look, run checks, change definitions, administer."""


class SignIn(Contract):
    username: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=1024)


class SignInByLink(Contract):
    """The one-time code of a sign-in link."""

    code: str = Field(min_length=1, max_length=200)


class Me(Contract):
    user_id: str
    username: str
    role: Role
    permissions: list[str]
    via: Literal["session", "token"]


class UserWrite(Contract):
    username: str = Field(pattern=r"^[A-Za-z0-9._@-]{1,200}$")
    password: str | None = Field(default=None, min_length=12, max_length=1024)
    role: Role = "viewer"
    active: bool = True


class UserView(Contract):
    user_id: str
    username: str
    role: Role
    active: bool
    created_at: Timestamp
    last_sign_in_at: Timestamp | None


class PasswordChange(Contract):
    """Of one's own password. Every other session of the account ends."""

    current_password: str = Field(min_length=1, max_length=1024)
    new_password: str = Field(min_length=12, max_length=1024)


class SignInLink(Contract):
    """A link that signs in once. The code stands behind `#`, which browsers never send and servers never log."""

    path: str = Field(description="Append it to the address of the installation")
    expires_at: Timestamp


class TokenWrite(Contract):
    name: Name
    role: Role = Field(default="operator", description="At most the caller's own role")
    expires_in_days: int | None = Field(default=90, ge=1, le=3650)


class TokenView(Contract):
    token_id: str
    name: str
    role: Role
    created_at: Timestamp
    expires_at: Timestamp | None
    last_used_at: Timestamp | None


class TokenCreated(TokenView):
    token: str = Field(description="Only in the answer that made it; store it now")


class AuditEntry(Contract):
    """One line of the audit log; `hash` chains it to the line before."""

    number: int
    at: Timestamp
    actor: str
    action: str
    object: str | None
    detail: dict[str, Json] = {}
    address: str | None
    hash: str


class ProcessRow(ProcessSummary):
    """A process with the state of its runs: one row of overview and list."""

    state: ProcessState
    next_run_at: Timestamp | None = None
    slow_at: Timestamp | None = Field(
        default=None, description="From then on a run that is under way is slower than usual; null while none can be"
    )
    incident: IncidentRef | None = Field(default=None, description="The open incident to look at first")


class Overview(OverviewCounts):
    """A page of the overview: how all active processes stand, and those that need a person first."""

    items: list[ProcessRow]
    next_cursor: str | None = None


class About(Contract):
    name: Literal["Steptrail"] = "Steptrail"
    version: str
    topology: Literal["embedded", "distributed"]
    demo: bool
