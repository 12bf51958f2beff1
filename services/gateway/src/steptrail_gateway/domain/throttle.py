"""How often a wrong sign-in may be repeated, per account and per address."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final

WINDOW: Final = timedelta(minutes=15)
PER_ACCOUNT: Final = 10
PER_ADDRESS: Final = 100
"""Attempts within the window. An address may stand for a whole office, an account for one person."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Attempts counted for one subject (`account:ada`, `address:192.0.2.1`), this one included."""

    subject: str
    count: int
    window_started_at: datetime


def subjects(username: str | None, address: str | None) -> dict[str, int]:
    """What an attempt is counted for, with the limit of each. A name no account can have is counted by address only."""
    limits: dict[str, int] = {}
    if username is not None:
        limits[account_subject(username)] = PER_ACCOUNT
    if address is not None:
        limits[f"address:{address}"] = PER_ADDRESS
    return limits


def account_subject(username: str) -> str:
    return f"account:{username}"


def wait_seconds(attempts: list[Attempts], limits: dict[str, int], now: datetime) -> int | None:
    """Seconds until the next attempt is allowed, or None when this one is."""
    waits = [
        ceil((entry.window_started_at + WINDOW - now).total_seconds())
        for entry in attempts
        if entry.count > limits[entry.subject]
    ]
    return max(1, *waits) if waits else None
