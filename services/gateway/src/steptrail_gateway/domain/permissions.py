"""Who may do what: one table, read by every route and shown to the page."""

from typing import Final

from steptrail_common.contracts.gateway import ROLES, Role
from steptrail_common.errors import Forbidden

LOWEST_ROLE: Final[dict[str, Role]] = {
    "self": "viewer",
    "about.read": "viewer",
    "processes.read": "viewer",
    "processes.validate": "viewer",
    "runs.read": "viewer",
    "schedules.read": "viewer",
    "reports.read": "viewer",
    "incidents.read": "viewer",
    "workers.read": "viewer",
    "events.read": "viewer",
    "tokens.own": "viewer",
    "runs.start": "operator",
    "runs.cancel": "operator",
    "incidents.handle": "operator",
    "schedules.pause": "operator",
    "connections.read": "operator",
    "deliveries.read": "operator",
    "deliveries.retry": "operator",
    "processes.write": "editor",
    "steps.try": "editor",
    "connections.write": "editor",
    "connections.test": "editor",
    "channels.read": "editor",
    "channels.write": "editor",
    "users.manage": "admin",
    "audit.read": "admin",
}
"""The lowest role that has a permission; every higher role has it too. Channels are not for operators, because
the address of a webhook often is its secret. Trying a step is for editors: a draft can name any target."""


def rank(role: Role) -> int:
    """0 for viewer up to 3 for admin."""
    return ROLES.index(role)


def allows(role: Role, permission: str) -> bool:
    """Whether a role has a permission. An unknown permission is a fault of ours and raises KeyError."""
    return rank(role) >= rank(LOWEST_ROLE[permission])


def permissions_of(role: Role) -> list[str]:
    """Every permission of a role, sorted."""
    return sorted(name for name in LOWEST_ROLE if allows(role, name))


def require(role: Role, permission: str) -> None:
    """Raise `Forbidden` naming what is needed."""
    if not allows(role, permission):
        raise Forbidden(f"This needs the role {LOWEST_ROLE[permission]} or higher; yours is {role}.")


def lower(one: Role, other: Role) -> Role:
    """The lesser of two roles: what a token can do is bounded by what its owner can do."""
    return one if rank(one) <= rank(other) else other
