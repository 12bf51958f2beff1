"""What the egress policy lets through, and what it says when it does not."""

import asyncio

import httpx2
import pytest
from steptrail_common.egress import EgressDenied, EgressPolicy, NameNotResolved
from steptrail_common.errors import ConfigurationError


def names(**table: list[str]) -> EgressPolicy:
    """A policy whose name service knows just these names (underscores stand for dots)."""

    async def resolver(host: str, port: int) -> list[str]:
        found = table.get(host.replace(".", "_"))
        if found is None:
            raise NameNotResolved(f"no {host}")
        return found

    return EgressPolicy(["10.0.0.0/8", "192.168.7.0/24:8080", "[fd12::/64]:443"], resolver=resolver)


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0", "0.0.0.0", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1",
        "::1", "[::1]", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1", "2001:0:7f00:1::", "169.254.169.254", "::ffff:169.254.169.254", "2002:a9fe:a9fe::1",
        "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "fe80::1", "100.100.100.200", "168.63.129.16", "224.0.0.1", "ff02::1",
        "255.255.255.255", "metadata.google.internal", "METADATA.google.internal.", "2852039166",
    ],
)  # fmt: skip
async def test_no_spelling_reaches_this_machine_or_cloud_metadata(host: str) -> None:
    """Even if every private network is allowed."""
    policy = EgressPolicy(["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "127.0.0.0/8", "0.0.0.0/0"])
    with pytest.raises(EgressDenied):
        await policy.resolve(host, 80)


async def test_names_are_judged_by_every_address_they_have() -> None:
    """One forbidden address among public ones is enough to refuse."""
    policy = names(
        mixed_example=["93.184.216.34", "127.0.0.1"], evil_example=["169.254.169.254"], ok_example=["10.1.2.3"]
    )
    for host in ("mixed.example", "evil.example"):
        with pytest.raises(EgressDenied):
            await policy.resolve(host, 80)
    assert await policy.resolve("ok.example", 80) == ["10.1.2.3"]


async def test_private_networks_need_the_allow_list_and_the_refusal_names_the_setting() -> None:
    """Refused by default; the message says what an administrator would write."""
    with pytest.raises(EgressDenied, match=r"STEPTRAIL_EGRESS_ALLOW, for example 10\.1\.2\.3:8080"):
        await EgressPolicy().resolve("10.1.2.3", 8080)
    assert await names().resolve("10.1.2.3", 8080) == ["10.1.2.3"]
    assert await names().resolve("192.168.7.9", 8080) == ["192.168.7.9"]
    assert await names().resolve("fd12::5", 443) == ["fd12::5"]
    with pytest.raises(EgressDenied):
        await names().resolve("192.168.7.9", 80)


async def test_public_addresses_pass_in_canonical_form() -> None:
    """IPv4 inside IPv6 is connected to as IPv4."""
    assert await EgressPolicy().resolve("::ffff:93.184.216.34", 443) == ["93.184.216.34"]
    assert await EgressPolicy().resolve("93.184.216.34", 443) == ["93.184.216.34"]


async def test_loopback_is_reached_only_by_an_exact_exception() -> None:
    """`localhost` counts when one of its addresses is excepted; other ports stay closed."""

    async def both(host: str, port: int) -> list[str]:
        return ["::1", "127.0.0.1"]

    policy = EgressPolicy(exceptions=["127.0.0.1:8090"], resolver=both)
    assert await policy.resolve("localhost", 8090) == ["127.0.0.1"]
    with pytest.raises(EgressDenied, match="STEPTRAIL_EGRESS_EXCEPTIONS"):
        await policy.resolve("127.0.0.1", 8091)


async def test_own_services_stay_closed_inside_an_allowed_network() -> None:
    """`deny` wins over `allow`."""
    policy = EgressPolicy(["10.0.0.0/8"], deny=["10.0.0.5:8000", "10.9.0.0/16"])
    for host, port in (("10.0.0.5", 8000), ("10.9.1.1", 80)):
        with pytest.raises(EgressDenied, match="this installation"):
            await policy.resolve(host, port)
    assert await policy.resolve("10.0.0.5", 80) == ["10.0.0.5"]


@pytest.mark.parametrize("port", [22, 25, 5432, 5672, 6379, 27017])
async def test_ports_of_other_protocols_are_closed_to_http(port: int) -> None:
    """Unless a rule names the port, or the connection is of that protocol."""
    with pytest.raises(EgressDenied, match="another protocol") as refused:
        await names().resolve("10.1.1.1", port)
    assert refused.value.reason == "port_denied"
    assert await EgressPolicy([f"10.0.0.0/8:{port}"]).resolve("10.1.1.1", port)


async def test_databases_have_their_own_ports() -> None:
    """5432 is PostgreSQL's, 22 is not."""
    assert await names().resolve("10.1.1.1", 5432, kind="postgresql") == ["10.1.1.1"]
    assert await names().resolve("10.1.1.1", 7432, kind="postgresql") == ["10.1.1.1"]
    with pytest.raises(EgressDenied):
        await names().resolve("10.1.1.1", 22, kind="postgresql")


@pytest.mark.parametrize("port", [80, 2525, 8025, 60001])
async def test_mail_goes_to_its_own_ports_only(port: int) -> None:
    """25, 465 and 587; any other only where a rule names it, even one that no other protocol uses."""
    for usual in (25, 465, 587):
        assert await names().resolve("10.1.1.1", usual, kind="smtp") == ["10.1.1.1"]
    with pytest.raises(EgressDenied, match="STEPTRAIL_EGRESS_ALLOW") as refused:
        await names().resolve("10.1.1.1", port, kind="smtp")
    assert refused.value.reason == "port_denied"
    assert await EgressPolicy([f"10.0.0.0/8:{port}"]).resolve("10.1.1.1", port, kind="smtp")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "scheme_denied"), ("FILE:///etc/passwd", "scheme_denied"), (" file:///x", "bad_url"),
        ("\tfile:///x", "bad_url"), ("source:file:///x", "scheme_denied"), ("view-source:http://a/", "scheme_denied"),
        ("jar:http://a/!x", "scheme_denied"), ("gopher://a/", "scheme_denied"), ("dict://a/", "scheme_denied"),
        ("ldap://a/", "scheme_denied"), ("ftp://a/", "scheme_denied"), ("data:text/html,x", "scheme_denied"),
        ("javascript:alert(1)", "scheme_denied"), ("/relative", "scheme_denied"), ("http:///x", "bad_url"),
        ("http://user:pass@host/", "bad_url"), ("http://user@host/", "bad_url"), ("http://@host/", "bad_url"),
        ("http://host/\r\nX: y", "bad_url"), ("http://host/\x00", "bad_url"), ("http://host/a b", "bad_url"),
        ("http://host/\u202egnp", "bad_url"), ("http://ho\u200bst/", "bad_url"), ("http://host/\u00a0", "bad_url"),
        ("http://host\\@evil/", "bad_url"), ("http://ho%73t/", "bad_url"), ("http://host:99999/", "bad_url"),
        ("http://host:x/", "bad_url"), ("http://[::1/", "bad_url"), ("http://host/" + "a" * 9000, "bad_url"),
        ("http://host/?" + "&".join(f"a{n}=1" for n in range(10_000)), "bad_url"), ("http://host:25/", "port_denied"),
    ],
)  # fmt: skip
def test_hostile_addresses_are_refused_before_anything_is_looked_up(url: str, reason: str) -> None:
    """Schemes, credentials, control characters, lengths and ports."""
    with pytest.raises(EgressDenied) as refused:
        EgressPolicy().check_url(url)
    assert refused.value.reason == reason


@pytest.mark.parametrize("rule", ["10.0.0.0/33", "example.com", "10.0.0.1/8", "10.0.0.0/8:0", "10.0.0.0/8:x", ""])
def test_wrong_rules_stop_the_start(rule: str) -> None:
    """A rule that is not understood must not silently allow or refuse."""
    with pytest.raises(ConfigurationError, match="egress rule"):
        EgressPolicy([rule])


@pytest.mark.parametrize("rule", ["127.0.0.0/8:80", "127.0.0.1", "169.254.169.254:80", "0.0.0.0:80"])
def test_exceptions_are_single_sockets_and_never_metadata(rule: str) -> None:
    """An exception opens exactly one address and port."""
    with pytest.raises(ConfigurationError):
        EgressPolicy(exceptions=[rule])


async def test_a_rebinding_name_is_looked_up_once_and_the_judged_address_connected() -> None:
    """The name turns to loopback after the first look-up: nothing ever reaches the server there."""
    asked: list[str] = []
    hits: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hits.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) > 1 else ["192.0.2.1"]

    policy = EgressPolicy(["192.0.2.0/24"], resolver=rebinding)
    async with server, httpx2.AsyncClient(transport=policy.transport(), timeout=0.5) as client:
        with pytest.raises(httpx2.TransportError):
            await client.get(f"http://rebind.example:{port}/")
        assert asked == ["rebind.example"]
        with pytest.raises(EgressDenied):
            await client.get(f"http://rebind.example:{port}/")
    assert hits == []


async def test_the_transport_keeps_the_host_name_and_reaches_the_excepted_server() -> None:
    """The address is connected to, the name stays in the Host header."""
    hits: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hits.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        writer.close()

    async def resolver(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    policy = EgressPolicy(exceptions=[f"127.0.0.1:{port}"], resolver=resolver)
    async with server, httpx2.AsyncClient(transport=policy.transport()) as client:
        answer = await client.get(f"http://shop.example:{port}/")
        assert answer.text == "ok"
        assert f"Host: shop.example:{port}".encode() in hits[0]
