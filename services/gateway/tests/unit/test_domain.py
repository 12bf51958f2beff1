"""The rules of the gateway, without anything around them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from steptrail_common.contracts.gateway import ROLES, AuditEntry
from steptrail_common.errors import Forbidden, NotFound
from steptrail_gateway.domain.audit import FIRST_HASH, Deed, chained_hash, first_fault
from steptrail_gateway.domain.origin import refuse_foreign, refuse_forged, spelled
from steptrail_gateway.domain.paths import segment
from steptrail_gateway.domain.people import known_form
from steptrail_gateway.domain.permissions import LOWEST_ROLE, allows, lower, permissions_of, require
from steptrail_gateway.domain.throttle import PER_ACCOUNT, WINDOW, Attempts, subjects, wait_seconds

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OWN = "https://steptrail.example.com"


@pytest.mark.req("NFR-010")
def test_every_role_may_what_the_lower_ones_may() -> None:
    """Roles are a ladder: viewer, operator, editor, administrator."""
    for below, above in pairwise(ROLES):
        assert set(permissions_of(below)) < set(permissions_of(above))
    assert set(permissions_of("admin")) == set(LOWEST_ROLE)


def test_viewers_only_look() -> None:
    """A viewer changes nothing but what is his own, and starts nothing at anybody's target."""
    assert {name for name in permissions_of("viewer") if not name.endswith(".read")} == {
        "self",
        "tokens.own",
        "processes.validate",
    }


def test_refusal_names_the_role_needed() -> None:
    with pytest.raises(Forbidden, match="role editor or higher; yours is operator"):
        require("operator", "processes.write")


def test_unknown_permission_is_our_fault_not_a_pass() -> None:
    with pytest.raises(KeyError):
        allows("admin", "processes.wirte")


def test_lesser_role_counts() -> None:
    assert lower("admin", "viewer") == lower("viewer", "admin") == "viewer"


@pytest.mark.parametrize("origin", [OWN, "https://STEPTRAIL.example.com", "https://steptrail.example.com:443"])
def test_own_page_passes_in_any_spelling(origin: str) -> None:
    refuse_forged(header="1", origin=origin, fetch_site="same-origin", own_origin=OWN)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.example",
        "http://steptrail.example.com",
        "https://steptrail.example.com:8443",
        "https://steptrail.example.com.evil.example",
        "https://evil.example/https://steptrail.example.com",
        "https://steptrail.example.com@evil.example",
        "https://[",
        "file://",
    ],
)
def test_foreign_origins_are_refused(origin: str) -> None:
    """Also the ones that look alike, and `null` of sandboxed frames and files."""
    with pytest.raises(Forbidden):
        refuse_foreign(origin=origin, fetch_site=None, own_origin=OWN)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "garbage", ""])
def test_browser_that_says_another_site_is_believed(site: str) -> None:
    with pytest.raises(Forbidden):
        refuse_foreign(origin=None, fetch_site=site, own_origin=OWN)


@pytest.mark.parametrize("header", [None, "", "0", "true", "1, 1"])
def test_header_must_be_exactly_one(header: str | None) -> None:
    with pytest.raises(Forbidden, match="X-Steptrail-Request: 1"):
        refuse_forged(header=header, origin=OWN, fetch_site="same-origin", own_origin=OWN)


def test_one_address_has_one_spelling() -> None:
    """A throttle per address is not escaped by writing it differently."""
    assert spelled("::ffff:192.0.2.1") == spelled("192.0.2.1") == "192.0.2.1"
    assert spelled("fe80::1%eth0") == spelled("FE80:0::1") == "fe80::1"
    assert spelled("unix:") is None
    assert spelled(None) is None


@pytest.mark.parametrize("good", ["0193-a", "order-to-cash", "e_1.json", "A~b", "0"])
def test_ids_pass_into_addresses(good: str) -> None:
    assert segment(good) == good


@pytest.mark.parametrize(
    "bad", ["", ".", "..", "a/b", "a%2fb", "a..b", "{id}", "a b", "-1", "é", "a\n", "a?b", "x" * 129]
)
def test_what_is_no_id_names_nothing(bad: str) -> None:
    """Not a validation error: an impossible id answers exactly like an unknown one."""
    with pytest.raises(NotFound):
        segment(bad)


@pytest.mark.parametrize(
    ("given", "folded"), [("Ada", "ada"), ("ADA@Example.com", "ada@example.com"), ("ａｄａ", "ada")]
)
def test_usernames_fold(given: str, folded: str) -> None:
    assert known_form(given) == folded


@pytest.mark.parametrize("given", ["", "a b", "a\x00b", "ада", "<script>", "x" * 201, "\u202eada"])
def test_impossible_usernames_are_nobody(given: str) -> None:
    assert known_form(given) is None


def test_throttle_counts_account_and_address() -> None:
    """An attempt counts for both; a name that cannot exist counts for the address alone."""
    assert set(subjects("ada", "192.0.2.1")) == {"account:ada", "address:192.0.2.1"}
    assert set(subjects(None, "192.0.2.1")) == {"address:192.0.2.1"}
    assert subjects(None, None) == {}


def test_throttle_says_how_long_to_wait() -> None:
    """The tenth attempt passes, the eleventh waits for the rest of the window."""
    limits = {"account:ada": PER_ACCOUNT}
    at = NOON + timedelta(minutes=5)
    assert wait_seconds([Attempts("account:ada", PER_ACCOUNT, NOON)], limits, at) is None
    assert wait_seconds([Attempts("account:ada", PER_ACCOUNT + 1, NOON)], limits, at) == 600
    assert wait_seconds([Attempts("account:ada", PER_ACCOUNT + 1, NOON)], limits, NOON + WINDOW) == 1


def chain(count: int) -> list[AuditEntry]:
    lines, previous = [], FIRST_HASH
    for number in range(1, count + 1):
        deed = Deed("ada", "run.start", f"p{number}", {"via": "session"}, "192.0.2.1")
        previous = chained_hash(previous, number, NOON, deed)
        lines.append(
            AuditEntry(
                number=number,
                at=NOON,
                actor=deed.actor,
                action=deed.action,
                object=deed.object,
                detail=deed.detail,
                address=deed.address,
                hash=previous,
            )
        )
    return lines


@pytest.mark.req("NFR-010")
def test_audit_chain_shows_what_was_tampered_with() -> None:
    """A changed, removed, inserted or exchanged line breaks the chain where it was touched."""
    lines = chain(5)
    assert first_fault(lines) is None
    assert first_fault(lines[3:], before=lines[2]) is None
    changed = [*lines[:2], lines[2].model_copy(update={"actor": "eve"}), *lines[3:]]
    assert first_fault(changed) == 3
    assert first_fault([*lines[:2], *lines[3:]]) == 3
    assert first_fault([*lines[:3], lines[2], *lines[3:]]) == 4
    assert first_fault([lines[1], lines[0], *lines[2:]]) == 1
    assert first_fault([*lines[:4], lines[4].model_copy(update={"detail": {}})]) == 5


def test_a_line_that_was_written_anew_with_its_hash_breaks_the_next() -> None:
    """Whoever can write the table can also reckon a hash: each line hangs on the one before, so all would have to be
    written anew."""
    lines = chain(5)
    forged = lines[1].model_copy(update={"actor": "eve"})
    deed = Deed(forged.actor, forged.action, forged.object, forged.detail, forged.address)
    forged = forged.model_copy(update={"hash": chained_hash(lines[0].hash, forged.number, forged.at, deed)})
    assert first_fault([lines[0], forged, *lines[2:]]) == 3
