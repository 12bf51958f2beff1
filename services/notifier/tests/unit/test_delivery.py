"""Retries of deliveries."""

from datetime import UTC, datetime, timedelta

import pytest
from steptrail_notifier.domain.delivery import KEEP_TRYING, LONGEST_PAUSE_SECONDS, Attempt, after, pause

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _after(attempt: Attempt, tries: int = 1, give_up: timedelta = KEEP_TRYING) -> tuple[str, datetime | None]:
    step = after(attempt, tries=tries, now=NOON, give_up_at=NOON + give_up, chance=0.5)
    return step.status, step.next_try_at


def test_any_2xx_is_delivered() -> None:
    """And nothing is due any more."""
    assert _after(Attempt(204)) == ("delivered", None)


@pytest.mark.parametrize("attempt", [Attempt(500), Attempt(404), Attempt(302), Attempt(error="no answer")])
def test_anything_else_is_tried_again(attempt: Attempt) -> None:
    """Redirects included: they are never followed."""
    assert _after(attempt) == ("pending", NOON + timedelta(seconds=5))


def test_gone_ends_at_once() -> None:
    """The receiver said not to call again."""
    assert _after(Attempt(410, permanent=True)) == ("undelivered", None)


@pytest.mark.req("IR-8")
def test_a_dead_receiver_is_given_up_after_a_day() -> None:
    """With growing pauses, at most two hours, about twenty tries."""
    now, tries = NOON, 0
    while True:
        tries += 1
        step = after(Attempt(500), tries=tries, now=now, give_up_at=NOON + KEEP_TRYING, chance=0.5)
        if step.next_try_at is None:
            break
        now = step.next_try_at
    assert step.status == "undelivered"
    assert timedelta(hours=21) < now - NOON <= KEEP_TRYING
    assert 15 <= tries <= 25


def test_pauses_are_spread_and_respect_the_receiver() -> None:
    """Up to a fifth shorter or longer; longer if asked, but never endless."""
    assert pause(1, 0.0) == pytest.approx(4.0)
    assert pause(1, 0.999) == pytest.approx(6.0, abs=0.01)
    assert pause(1, 0.5, 60.0) == 60.0
    assert pause(1, 0.5, 1e9) == LONGEST_PAUSE_SECONDS
    assert pause(1, 0.5, -5.0) == 5.0
