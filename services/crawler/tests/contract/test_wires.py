"""The two wires of HTTP give the same: HTTP/1.1 and HTTP/2."""

from pathlib import Path

import pytest
from steptrail_checks.politeness import Politeness
from steptrail_common.contracts.model import FailureClass

from ..conftest import Checks, Site, answer, sealed
from .test_api_features import JSON, Serve, http, speak_h2, tls_server

OK = answer('{"protocol": 1}', content_type=JSON)


@pytest.mark.req("FR-013")
@pytest.mark.parametrize(("serve", "http2"), [(Site(routes={"/a": OK}).serve, False), (speak_h2, True)])
async def test_phases_are_split_and_a_kept_connection_needs_no_first_ones(
    serve: Serve, http2: bool, tmp_path: Path
) -> None:
    """Name, connection and handshake are told of the request that needed them, and nothing is counted twice."""
    async with tls_server(tmp_path, serve, alpn=["h2"] if http2 else None) as (url, authority, port):
        checks = Checks(tmp_path, [f"127.0.0.1:{port}"])
        check = {"type": "api_call", "connection": "conn", "path": "/a", "http2": http2}
        connection = sealed(http(url, ca_certificate=authority))
        first = await checks.run(check, connection=connection)
        assert first.timings.keys() == {"dns", "connect", "tls", "first_byte", "body", "total"}, first.message
        phases = [seconds for phase, seconds in first.timings.items() if phase != "total"]
        assert sum(phases) <= first.timings["total"] + 6e-6  # each is rounded to a microsecond
        assert min(first.timings["connect"], first.timings["tls"], first.timings["first_byte"]) > 0
        again = await checks.run(check, connection=connection)
        assert again.timings.keys() == {"first_byte", "body", "total"}
        certificate = [{"subject": "certificate", "argument": "issuer", "operators": {"contains": "the server"}}]
        assert (await checks.run(check, connection=connection, asserts=certificate)).ok
        await checks.close()


@pytest.mark.req("FR-013")
@pytest.mark.parametrize(
    ("written", "arrives"),
    [
        ("/orders/4711?full=1", "/orders/4711?full=1"),
        ("/a%2Fb%20c?q=x+y%26z&e=", "/a%2Fb%20c?q=x+y%26z&e="),
        ("/grün?straße=ß", "/gr%C3%BCn?stra%C3%9Fe=%C3%9F"),
        ("/[x]|y?a={b}", "/[x]|y?a={b}"),
        ("/a?x=1#part", "/a?x=1"),
        ("", "/"),
    ],
)
async def test_addresses_arrive_as_they_were_written(written: str, arrives: str, site: Site, checks: Checks) -> None:
    """Only what may not stand in an address is encoded; what is encoded already stays as it is."""
    await checks.run({"type": "api_call", "url": f"{site.url}{written}"})
    assert [asked.path for asked in site.asked] == [arrives]


async def test_numbers_of_hosts_may_be_spelled_in_any_way(site: Site, checks: Checks) -> None:
    """They are judged as the address they reach, and reach it where it is allowed."""
    site.routes["/a"] = OK
    assert (await checks.run({"type": "api_call", "url": f"http://127.1:{site.port}/a"})).ok
    refused = await checks.run({"type": "api_call", "url": f"http://127.2:{site.port}/a"})
    assert refused.failure_class is FailureClass.BLOCKED_BY_POLICY


@pytest.mark.req("NFR-013")
async def test_each_request_of_a_check_takes_a_turn_of_its_target(site: Site, other_site: Site, tmp_path: Path) -> None:
    """Pages of a list and redirects count like checks do."""
    site.routes["/l"] = answer('{"items": [1]}', content_type=JSON)
    other_site.routes |= {"/a": OK, "/go": answer("", "302 Found", location="/a")}
    allowed = [f"127.0.0.1:{site.port}", f"127.0.0.2:{other_site.port}"]
    polite = Checks(tmp_path, allowed, Politeness(rate="3/hour"))
    pages = {"items": "$.items[*]", "by": "page", "parameter": "page", "max_pages": 9}
    listed = await polite.run({"type": "api_call", "url": f"{site.url}/l", "paginate": pages})
    assert (listed.failure_class, listed.reason) == (FailureClass.RATE_LIMITED, "target_rate"), listed.message
    assert len(site.asked) == 3
    redirecting = {"type": "api_call", "url": f"{other_site.url}/go"}
    assert [(await polite.run(redirecting)).reason for _ in range(2)] == [None, "target_rate"]
    assert len(other_site.asked) == 3
    await polite.close()


async def test_large_bodies_arrive_whole(site: Site, checks: Checks) -> None:
    site.routes["/a"] = OK
    text = "0123456789" * 90_000
    result = await checks.run({"type": "api_call", "url": f"{site.url}/a", "method": "POST", "raw": {"text": text}})
    assert result.ok, result.message
    assert site.last("/a").body == text.encode()
