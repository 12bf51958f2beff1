"""Use cases: one asynchronous function each, ports as keyword arguments."""

from steptrail_notifier.handlers.administering import change_channel, change_rule, create_channel
from steptrail_notifier.handlers.following import acknowledge, forget_unseen, resolve, unacknowledge
from steptrail_notifier.handlers.sending import LEASE_SECONDS, send, send_test
from steptrail_notifier.handlers.taking import Fact, take

__all__ = [
    "LEASE_SECONDS",
    "Fact",
    "acknowledge",
    "change_channel",
    "change_rule",
    "create_channel",
    "forget_unseen",
    "resolve",
    "send",
    "send_test",
    "take",
    "unacknowledge",
]
