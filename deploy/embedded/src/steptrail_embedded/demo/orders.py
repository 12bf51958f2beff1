"""The shop's orders, in every condition a process can be found in. Times are relative to the shop's start."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `age` is how long ago it was placed; `moving` keeps that distance to now for ever."""

    number: str
    customer: str
    total_cents: int
    age: timedelta
    moving: bool = False
    state: str = "PAID"
    invoice: str | None = None
    file_delivered: bool = False
    page_delay_seconds: float = 0.0
    failures_before_answer: int = 0


ORDERS = {
    order.number: order
    for order in (
        Order("4711", "Marta Lindqvist", 24_990, timedelta(hours=3, minutes=12), invoice="R-20931"),
        Order("4712", "Jonas Weber", 8_950, timedelta(hours=5), invoice="R-20932", file_delivered=True),
        Order("4713", "Aiko Tanaka", 15_400, timedelta(minutes=12), moving=True, invoice="R-20933"),
        Order("4714", "Slow Motion Ltd", 99_900, timedelta(hours=2), invoice="R-20934", file_delivered=True,
              page_delay_seconds=3.0),
        Order("4715", "Flaky & Sons", 1_200, timedelta(hours=1), invoice="R-20935", file_delivered=True,
              failures_before_answer=2),
        Order("4716", "Nia Okafor", 45_000, timedelta(hours=7)),
        Order("4717", "Pat O'Brien", 3_000, timedelta(hours=4), state="CANCELLED"),
        Order("900001", "Synthetic check", 100, timedelta(hours=1), invoice="R-90001", file_delivered=True),
    )
}  # fmt: skip
"""4711 stuck at the file · 4712 done · 4713 not yet · 4714 slow · 4715 flaky · 4716 no invoice · 4717 cancelled."""
