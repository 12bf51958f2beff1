"""`api_call` beyond one plain request: bodies, pages, sessions, sign-in by token and certificate, HTTP/2."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from steptrail_common.contracts.connections import HttpSettings
from steptrail_common.contracts.model import FailureClass

from ..conftest import Checks, Site, answer, sealed

JSON = "application/json"


def http(url: str, auth: str = "none", **more: Any) -> HttpSettings:
    return HttpSettings.model_validate({"kind": "http", "base_url": url, "auth": auth, **more})


def listed(*items: int, **more: Any) -> bytes:
    headers = {"link": more.pop("link")} if "link" in more else {}
    return answer(json.dumps({"items": list(items), **more}), content_type=JSON, **headers)


# --- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("FR-013")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_every_method_is_sent(method: str, site: Site, checks: Checks) -> None:
    site.routes["/m"] = answer("{}", content_type=JSON)
    result = await checks.run({"type": "api_call", "url": f"{site.url}/m", "method": method})
    assert result.ok, result.message
    assert site.last("/m").method == method


@pytest.mark.req("FR-013")
async def test_multipart_carries_fields_and_files(site: Site, checks: Checks) -> None:
    """Text and base64, with file name and media type."""
    site.routes["/m"] = answer("{}", content_type=JSON)
    parts = [
        {"name": "note", "text": "grün"},
        {"name": "file", "filename": "a.pdf", "content_type": "application/pdf", "base64": "AAEC"},
    ]
    result = await checks.run({"type": "api_call", "url": f"{site.url}/m", "method": "POST", "multipart": parts})
    assert result.ok, result.message
    sent = site.last("/m")
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="note"' in sent.body
    assert b'name="file"; filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n\x00\x01\x02\r\n' in sent.body


async def test_raw_bodies_are_sent_byte_for_byte(site: Site, checks: Checks) -> None:
    site.routes["/r"] = answer("<ok/>", content_type="text/xml")
    raw = {"text": "<order id='1'/>", "content_type": "text/xml"}
    result = await checks.run({"type": "api_call", "url": f"{site.url}/r", "method": "POST", "raw": raw})
    assert result.ok, result.message
    assert site.last("/r").body == b"<order id='1'/>"
    assert site.last("/r").headers["content-type"] == "text/xml"


async def test_a_list_in_the_query_repeats_its_name(site: Site, checks: Checks) -> None:
    site.routes["/q"] = answer("{}", content_type=JSON)
    await checks.run({"type": "api_call", "url": f"{site.url}/q", "query": {"id": [1, 2]}})
    assert site.last("/q").path == "/q?id=1&id=2"


async def test_secrets_fill_fields_of_the_body_and_are_never_shown(site: Site, checks: Checks) -> None:
    """For interfaces that sign in by a body; the definition only names the secret."""
    site.routes["/login"] = answer('{"echo": "pa55word-1"}', content_type=JSON)
    check = {"type": "api_call", "connection": "conn", "path": "/login", "method": "POST", "json": {"user": "me"}}
    result = await checks.run(
        {**check, "secrets": {"password": "password"}},
        connection=sealed(http(site.url, "basic", username="me"), password="pa55word-1"),
    )
    assert result.ok, result.message
    assert json.loads(site.last("/login").body) == {"user": "me", "password": "pa55word-1"}
    told = result.model_dump_json() + "".join([await checks.body(piece) for piece in result.evidence])
    assert "pa55word-1" not in told


# --- pages -----------------------------------------------------------------------------------------------------------


def _all(result: Any) -> Any:
    return result.captures["all"]


ALL = {"all": {"jsonpath": "$.items", "type": "json"}, "pages": {"jsonpath": "$.pages"}}


def _paged(site: Site, replies: dict[str, bytes]) -> None:
    """Answers by the whole path with its query."""

    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(replies.get(site.asked[-1].path, answer("no", "404 Not Found")))
        await writer.drain()

    site.routes["/l"] = speak


@pytest.mark.req("FR-013")
@pytest.mark.parametrize(
    ("paginate", "replies"),
    [
        ({"by": "link"}, {"/l": listed(1, 2, link='</l?p=2>; rel="next", </l?p=9>; rel="last"'), "/l?p=2": listed(3)}),
        ({"by": "url", "next": "$.next"}, {"/l": listed(1, 2, next="/l?p=2"), "/l?p=2": listed(3, next=None)}),
        (
            {"by": "cursor", "next": "$.cursor", "parameter": "after"},
            {"/l": listed(1, 2, cursor="x=1"), "/l?after=x%3D1": listed(3, cursor="")},
        ),
        (
            {"by": "page", "parameter": "page"},
            {"/l?page=1": listed(1, 2), "/l?page=2": listed(3), "/l?page=3": listed()},
        ),
        (
            {"by": "offset", "parameter": "skip", "first": 0, "step": 2},
            {"/l?skip=0": listed(1, 2), "/l?skip=2": listed(3), "/l?skip=4": listed()},
        ),
        (
            {"by": "page", "parameter": "page", "until": "$.items[?@ == 3]"},
            {"/l?page=1": listed(1, 2), "/l?page=2": listed(3)},
        ),
    ],
    ids=["link", "url", "cursor", "page", "offset", "until"],
)
async def test_pages_are_followed_to_the_end(
    paginate: dict[str, Any], replies: dict[str, bytes], site: Site, checks: Checks
) -> None:
    """However the next one is told; assertions see one list."""
    _paged(site, replies)
    check = {"type": "api_call", "url": f"{site.url}/l", "paginate": {"items": "$.items[*]", **paginate}}
    result = await checks.run(check, captures=ALL)
    assert result.ok, result.message
    assert _all(result) == [1, 2, 3]
    assert result.captures["pages"] == len(replies)


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    ("paginate", "replies", "reason"),
    [
        ({"by": "url", "next": "$.n"}, {"/l": listed(1, n="/l")}, "pagination_loop"),
        ({"by": "url", "next": "$.n"}, {"/l": listed(1, n="http://127.0.0.2:1/x")}, "pagination_refused"),
        ({"by": "url", "next": "$.n"}, {"/l": listed(1, n={"a": 1})}, "pagination_refused"),
        ({"by": "link", "max_items": 1}, {"/l": listed(1, 2)}, "pagination_limit"),
        ({"by": "link", "max_pages": 1}, {"/l": listed(1, link="</l?2>; rel=next")}, "pagination_limit"),
        ({"by": "link"}, {"/l": answer("[", content_type=JSON)}, "bad_json"),
    ],
    ids=["loop", "host", "object", "items", "pages", "json"],
)
async def test_pages_that_never_end_or_lead_away_fail_the_step(
    paginate: dict[str, Any], replies: dict[str, bytes], reason: str, site: Site, checks: Checks
) -> None:
    _paged(site, replies)
    check = {"type": "api_call", "url": f"{site.url}/l", "paginate": {"items": "$.items[*]", **paginate}}
    assert (await checks.run(check)).reason == reason


# --- sessions --------------------------------------------------------------------------------------------------------


@pytest.mark.req("FR-014")
async def test_cookies_travel_to_a_later_step_as_ciphertext(site: Site, other_site: Site, checks: Checks) -> None:
    """To the same host only, in the same run only; nobody between the workers can read them."""
    site.routes |= {
        "/login": answer("{}", content_type=JSON, set_cookie="session=s3ss10n-value; Path=/; HttpOnly"),
        "/me": answer("{}", content_type=JSON),
    }
    other_site.routes["/me"] = answer("{}", content_type=JSON)
    login = await checks.run(
        {"type": "api_call", "url": f"{site.url}/login", "method": "POST"}, captures={"session": {"cookies": "all"}}
    )
    assert login.ok, login.message
    carried = login.captures["session"]
    assert "s3ss10n" not in login.model_dump_json()
    for url in (site.url, other_site.url):
        later = await checks.run({"type": "api_call", "url": f"{url}/me", "cookies": carried})
        assert later.ok, later.message
    assert site.last("/me").headers["cookie"] == "session=s3ss10n-value"
    assert "cookie" not in other_site.last("/me").headers
    foreign = await checks.run({"type": "api_call", "url": f"{site.url}/me", "cookies": carried}, run_id="run-2")
    assert foreign.reason == "bad_cookies"


@pytest.mark.req("NFR-012")
async def test_five_thousand_cookies_and_foreign_ones_are_not_kept(site: Site, checks: Checks) -> None:
    lines = "".join(f"set-cookie: c{n}=v; Path=/\r\n" for n in range(900))
    lines = "set-cookie: evil=1; Domain=example.com\r\n" + lines
    site.routes["/c"] = f"HTTP/1.1 302 Found\r\nlocation: /d\r\n{lines}content-length: 0\r\n\r\n".encode()
    site.routes["/d"] = answer("{}", content_type=JSON)
    result = await checks.run({"type": "api_call", "url": f"{site.url}/c"})
    assert result.ok, result.message
    sent = site.last("/d").headers["cookie"]
    assert sent.count("=") <= 50
    assert "evil" not in sent


# --- tokens ----------------------------------------------------------------------------------------------------------


def oauth(site: Site, **more: Any) -> HttpSettings:
    client = {"token_url": f"{site.url}/token", "client_id": "me", "scope": "read", **more}
    return http(f"{site.url}/v1", "oauth2", oauth2=client)


@pytest.mark.req("FR-014")
async def test_a_token_is_fetched_once_and_used_until_it_ends(site: Site, checks: Checks) -> None:
    """Also by checks that ask at the same moment; it is hidden like a secret."""
    site.routes["/token"] = answer('{"access_token": "issued-t0ken", "expires_in": 3600}', content_type=JSON)
    site.routes["/v1/a"] = answer('{"echo": "issued-t0ken"}', content_type=JSON)
    connection = sealed(oauth(site), client_secret="cl1ent-s3cret")
    check = {"type": "api_call", "connection": "conn", "path": "/a"}
    wrong = [{"subject": "jsonpath", "argument": "$.echo", "operators": {"eq": "x"}}]
    results = await asyncio.gather(*(checks.run(check, connection=connection, asserts=wrong) for _ in range(5)))
    asked = [request for request in site.asked if request.path == "/token"]
    assert len(asked) == 1
    assert asked[0].headers["authorization"] == "Basic " + base64.b64encode(b"me:cl1ent-s3cret").decode()
    assert asked[0].body == b"grant_type=client_credentials&scope=read"
    assert site.last("/v1/a").headers["authorization"] == "Bearer issued-t0ken"
    for result in results:
        told = result.model_dump_json() + "".join([await checks.body(piece) for piece in result.evidence])
        assert "issued-t0ken" not in told


@pytest.mark.req("FR-014")
async def test_a_token_that_is_refused_is_renewed_once(site: Site, checks: Checks) -> None:
    site.routes["/token"] = answer('{"access_token": "t", "expires_in": 3600}', content_type=JSON)
    site.routes["/v1/a"] = answer("", "401 Unauthorized")
    check = {"type": "api_call", "connection": "conn", "path": "/a"}
    connection = sealed(oauth(site, send_credentials="body"), client_secret="cl1ent-s3cret")
    result = await checks.run(check, connection=connection)
    assert (result.failure_class, result.ours) == (FailureClass.AUTH, True)
    assert [request.path for request in site.asked] == ["/token", "/v1/a", "/token", "/v1/a"]
    assert b"client_secret=cl1ent-s3cret" in site.asked[0].body


@pytest.mark.parametrize(
    ("reply", "failure_class"),
    [
        (answer('{"error": "invalid_client"}', "401 Unauthorized", content_type=JSON), FailureClass.AUTH),
        (answer("<html>", content_type="text/html"), FailureClass.AUTH),
        (answer('{"access_token": "a\\r\\nX: 1"}', content_type=JSON), FailureClass.AUTH),
        (answer("", "503 Busy"), FailureClass.HTTP_STATUS),
    ],
    ids=["refused", "html", "injection", "busy"],
)
async def test_an_issuer_that_gives_no_token_is_our_error(
    reply: bytes, failure_class: FailureClass, site: Site, checks: Checks
) -> None:
    site.routes["/token"] = reply
    result = await checks.run(
        {"type": "api_call", "connection": "conn", "path": "/a"},
        connection=sealed(oauth(site), client_secret="cl1ent-s3cret"),
    )
    assert (result.failure_class, result.ours) == (failure_class, True)
    assert [request.path for request in site.asked] == ["/token"]


async def test_a_key_may_stand_in_the_query_and_is_never_shown(site: Site, checks: Checks) -> None:
    site.routes["/a"] = answer("{}", content_type=JSON)
    connection = sealed(http(site.url, "api_key", api_key_query="key"), api_key="k3y-k3y-k3y")
    result = await checks.run({"type": "api_call", "connection": "conn", "path": "/a"}, connection=connection)
    assert site.last("/a").path == "/a?key=k3y-k3y-k3y"
    assert "x-api-key" not in site.last("/a").headers
    told = result.model_dump_json() + "".join([await checks.body(piece) for piece in result.evidence])
    assert "k3y-k3y" not in told


# --- certificates and HTTP/2 -----------------------------------------------------------------------------------------


def _pair(name: str, days: int) -> tuple[str, str]:
    """(certificate, key) as PEM, self-signed, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    return certificate.public_bytes(encoding).decode(), private.decode()


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def tls_server(
    folder: Path, serve: Serve, *, client_ca: str | None = None, alpn: list[str] | None = None
) -> AsyncIterator[tuple[str, str, int]]:
    """(address, its certificate, port)."""
    certificate, key = _pair("the server", days=10)
    (folder / "server.pem").write_text(certificate + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem")
    if client_ca is not None:
        context.load_verify_locations(cadata=client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        context.set_alpn_protocols(alpn)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    yield f"https://127.0.0.1:{port}", certificate, port
    server.close()


@pytest.mark.req("FR-014")
async def test_a_client_certificate_opens_the_door(tmp_path: Path) -> None:
    """With it the server answers, without it not; an own authority is enough to trust the server."""
    certificate, key = _pair("the client", days=10)
    site = Site(routes={"/a": answer("{}", content_type=JSON)})
    async with tls_server(tmp_path, site.serve, client_ca=certificate) as (url, authority, port):
        checks = Checks(tmp_path, [f"127.0.0.1:{port}"])
        check = {"type": "api_call", "connection": "conn", "path": "/a"}
        known = http(url, ca_certificate=authority, client_certificate=certificate)
        result = await checks.run(check, connection=sealed(known, client_key=key))
        assert result.ok, result.message
        stranger = await checks.run(check, connection=sealed(http(url, ca_certificate=authority)))
        assert stranger.failure_class in (FailureClass.TLS, FailureClass.CONNECT, FailureClass.PROTOCOL)
        broken = await checks.run(check, connection=sealed(known, client_key="no key"))
        assert (broken.reason, broken.ours) == ("bad_client_certificate", True)
        await checks.close()


@pytest.mark.req("FR-013")
@pytest.mark.parametrize(
    ("argument", "operators", "met"),
    [
        (None, {"gt": 5 * 86400.0}, True), (None, {"gt": 14 * 86400.0}, False),
        ("issuer", {"contains": "the server"}, True), ("names", {"eq": "127.0.0.1"}, True),
        ("not_after", {"older_than": "2100-01-01T00:00:00Z"}, True),
    ],
)  # fmt: skip
async def test_the_servers_certificate_can_be_asserted(
    argument: str | None, operators: dict[str, Any], met: bool, tmp_path: Path
) -> None:
    """The time it is still valid is a duration; issuer, names and moments are values."""
    site = Site(routes={"/a": answer("{}", content_type=JSON)})
    async with tls_server(tmp_path, site.serve) as (url, authority, port):
        checks = Checks(tmp_path, [f"127.0.0.1:{port}"])
        result = await checks.run(
            {"type": "api_call", "connection": "conn", "path": "/a"},
            connection=sealed(http(url, ca_certificate=authority)),
            asserts=[{"subject": "certificate", "argument": argument, "operators": operators}],
        )
        assert result.ok is met, result.message
        assert result.timings["tls"] > 0
        await checks.close()


async def speak_h2(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    while data := await reader.read(65_536):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", JSON)])
                connection.send_data(event.stream_id, b'{"protocol": 2}', end_stream=True)
        writer.write(connection.data_to_send())
        await writer.drain()
    writer.close()


@pytest.mark.req("FR-013")
async def test_http_2_is_spoken_where_offered(tmp_path: Path) -> None:
    async with tls_server(tmp_path, speak_h2, alpn=["h2"]) as (url, authority, port):
        checks = Checks(tmp_path, [f"127.0.0.1:{port}"])
        result = await checks.run(
            {"type": "api_call", "connection": "conn", "path": "/a", "http2": True},
            connection=sealed(http(url, ca_certificate=authority)),
            asserts=[{"subject": "jsonpath", "argument": "$.protocol", "operators": {"eq": 2}}],
        )
        assert result.ok, result.message
        assert ("Protocol", "HTTP/2") in [(finding.label, finding.value) for finding in result.findings]
        await checks.close()


# --- JSON Schema -----------------------------------------------------------------------------------------------------


@pytest.mark.req("FR-013")
@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "object", "required": ["id"], "properties": {"id": {"pattern": "^[0-9]+$"}}}, None),
        ({"properties": {"id": {"type": "integer"}}}, "$.id: '7' is not of type 'integer'"),
        ({"$ref": "http://127.0.0.1:1/schema.json"}, "nothing is loaded from elsewhere"),
        ({"type": "nonsense"}, "cannot be used"),
        ({"properties": {"id": {"pattern": "(a+)+(?=b)"}}}, "regular expression"),
    ],
)
async def test_answers_are_checked_against_a_schema(
    schema: dict[str, Any], told: str | None, site: Site, checks: Checks
) -> None:
    """The message says where; schemas load nothing, and their patterns run in linear time."""
    site.routes["/a"] = answer('{"id": "7"}', content_type=JSON)
    result = await checks.run(
        {"type": "api_call", "url": f"{site.url}/a"},
        asserts=[{"subject": "jsonpath", "argument": "$", "operators": {"schema": schema}}],
    )
    assert result.ok is (told is None), result.message
    assert told is None or told in str(result.message)


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a": NaN}', b'{"a": 1e400}', b'{"a": 1, "a": 2}', b"9" * 1_000_000, b'{"a": "\xff\x00"}', b""],
    ids=["deep", "nan", "huge", "doubled", "digits", "bytes", "empty"],
)
async def test_hostile_json_fails_the_step(body: bytes, site: Site, checks: Checks) -> None:
    site.routes["/a"] = answer(body, content_type=JSON)
    result = await checks.run(
        {"type": "api_call", "url": f"{site.url}/a"},
        asserts=[{"subject": "jsonpath", "argument": "$.a", "operators": {"exists": True}}],
    )
    assert (result.failure_class, result.reason) == (FailureClass.PROTOCOL, "bad_json"), result.message


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><a>&b;</a>',
        b"<a>" * 10_000,
        b"<a>",
    ],
    ids=["external", "laughs", "deep", "open"],
)
async def test_hostile_xml_fails_the_step(body: bytes, site: Site, checks: Checks) -> None:
    site.routes["/a"] = answer(body, content_type="application/xml")
    result = await checks.run(
        {"type": "api_call", "url": f"{site.url}/a"},
        asserts=[{"subject": "xpath", "argument": "//a", "operators": {"exists": True}}],
    )
    assert (result.failure_class, result.reason) == (FailureClass.PROTOCOL, "bad_xml"), result.message
    assert "root:" not in result.model_dump_json()
