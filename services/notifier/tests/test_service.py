"""The whole service: events in from a bus, signed webhooks out, administered by HTTP."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.bus.port import Destination, Message
from steptrail_common.contracts.events import CloudEvent, routing_key
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_common.errors import ConfigurationError
from steptrail_common.sealing import KeyPair
from steptrail_common.service import running
from steptrail_common.testing.mail import MailServer, mail_server
from steptrail_common.testing.targets import certificate, public_part
from steptrail_notifier.config import Settings
from steptrail_notifier.service import build

TOKEN = "0123456789abcdef0123456789abcdef"
KEY = "whsec_" + "c2VjcmV0" * 4
MakeSink = Callable[..., Awaitable[Any]]
Ended = Callable[..., tuple[CloudEvent, RunEvent]]


@dataclass
class World:
    """A running notifier with a client of its API and a teller of events."""

    api: httpx2.AsyncClient
    teller: InProcessBus

    async def tell(self, event: tuple[CloudEvent, Any]) -> None:
        wrapped, fact = event
        body = Message(wrapped.model_dump_json().encode(), dedup_id=wrapped.id)
        await self.teller.publish([(Destination(topic=routing_key(wrapped.name, fact.process_id)), body)])

    async def channel(self, sink: Any, channel_id: str = "hook", secret: str | None = KEY) -> dict[str, Any]:
        wanted = {"channel_id": channel_id, "name": "Hook", "url": sink.url, "secret": secret}
        answer = await self.api.post("/channels", json=wanted)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def rule(self, channel_id: str = "hook", *on: str) -> None:
        wanted = {"rule_id": f"to-{channel_id}", "channel_id": channel_id, "on": list(on or ["finished"])}
        assert (await self.api.post("/rules", json=wanted)).status_code == 201

    async def deliveries(self, **wanted: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.api.get("/deliveries", params=wanted)).json()["items"]
        return items

    async def delivery(self, status: str, **about: Any) -> dict[str, Any]:
        """The first delivery in a state, once there is one."""
        async with asyncio.timeout(10):
            while True:
                for one in await self.deliveries(status=status):
                    if all(one[name] == value for name, value in about.items()):
                        return one
                await asyncio.sleep(0.02)


@asynccontextmanager
async def _notifier(folder: Path, keys: KeyPair, clock: Any, *sinks: Any) -> AsyncIterator[World]:
    broker = InProcessBroker()
    settings = Settings.load(
        store=f"sqlite+aiosqlite:///{folder}/n.db", bus="memory:", service_token=TOKEN, public_key=keys.public,
        private_keys=[keys.private], egress_exceptions=[_address(sink) for sink in sinks],
        public_url="https://steptrail.example.com",
    )  # fmt: skip
    service = build(settings, bus=InProcessBus(broker), clock=clock)
    teller = InProcessBus(broker)
    assert service.app is not None
    async with running(service):
        await teller.start()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        transport = httpx2.ASGITransport(service.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://notifier", headers=headers) as api:
            yield World(api, teller)
        await teller.close()


def _address(sink: Any) -> str:
    return sink.address if isinstance(sink, MailServer) else str(sink.url.split("/")[2])


def _mail(server: MailServer, **more: Any) -> dict[str, Any]:
    """The form of a channel of e-mail; `more` goes into its settings."""
    email = {"host": "127.0.0.1", "port": server.port, "security": "none", "sender": "Steptrail <st@example.com>",
             "recipients": ["ada@example.com"]}  # fmt: skip
    return {"channel_id": "desk", "name": "Desk", "kind": "email", "email": email | more}


def _verified(key: str, message: tuple[Mapping[str, str], bytes], clock: Any) -> Any:
    """What a receiver reads; its tolerance of five minutes is about its own clock, not the test's."""
    headers, body = message
    signed = Webhook(key).sign(headers["webhook-id"], clock.now(), body.decode())
    assert headers["webhook-signature"] == signed
    return json.loads(body)


@pytest.mark.req("IR-8")
async def test_a_finished_run_is_told_by_a_signed_webhook(
    tmp_path: Path, key_pair: KeyPair, clock: Any, make_sink: MakeSink, ended: Ended
) -> None:
    """Event in, one message out, with the id of its delivery; a repeated event sends nothing more."""
    sink = await make_sink()
    async with _notifier(tmp_path, key_pair, clock, sink) as world:
        await world.channel(sink)
        await world.rule("hook", "stuck")
        await world.tell(ended("r1", "stuck"))
        await world.tell(ended("r1", "stuck"))
        shown = await world.delivery("delivered")
        told = _verified(KEY, sink.got[0], clock)
    assert (told["type"], told["moment"], told["rule"]) == ("io.steptrail.run.finished.v1", "stuck", "to-hook")
    assert (told["data"]["run_id"], told["data"]["verdict"]) == ("r1", "stuck at 5")
    assert sink.got[0][0]["webhook-id"] == shown["delivery_id"]
    assert (shown["tries"], shown["last_status_code"], shown["rule_id"]) == (1, 200, "to-hook")
    assert len(sink.got) == 1


@pytest.mark.req("IR-8")
async def test_a_slow_receiver_delays_nobody(
    tmp_path: Path, key_pair: KeyPair, clock: Any, make_sink: MakeSink, ended: Ended
) -> None:
    """Twenty messages hang at one receiver; the other has all its own meanwhile."""
    slow, quick = await make_sink(delay_seconds=60), await make_sink()
    async with _notifier(tmp_path, key_pair, clock, slow, quick) as world:
        for channel_id, sink in (("a-slow", slow), ("quick", quick)):
            await world.channel(sink, channel_id)
            await world.rule(channel_id)
        for number in range(20):
            await world.tell(ended(f"r{number:02}", "success", minute=number))
        await quick.receive(20, seconds=40)
        assert await world.deliveries(channel_id="a-slow", status="delivered") == []


@pytest.mark.req("IR-8")
async def test_a_failing_receiver_is_tried_again_with_the_same_id(
    tmp_path: Path, key_pair: KeyPair, clock: Any, make_sink: MakeSink, ended: Ended
) -> None:
    """After a pause by the database's clock, even when the notifier was stopped in between."""
    sink = await make_sink(first=[500])
    async with _notifier(tmp_path, key_pair, clock, sink) as world:
        await world.channel(sink)
        await world.rule()
        await world.tell(ended("r1"))
        waiting = await world.delivery("pending", last_status_code=500)
        assert "answered 500" in waiting["last_error"]
    clock.forward(seconds=10)
    async with _notifier(tmp_path, key_pair, clock, sink) as world:
        assert (await world.delivery("delivered"))["tries"] == 2
    assert sink.got[0][0]["webhook-id"] == sink.got[1][0]["webhook-id"]
    assert sink.got[0][1] == sink.got[1][1]


async def test_a_day_of_failures_is_shown_and_can_be_retried(
    tmp_path: Path, key_pair: KeyPair, clock: Any, make_sink: MakeSink, ended: Ended
) -> None:
    """Undelivered after 24 hours, delivered after a retry by hand."""
    sink = await make_sink(status=503)
    async with _notifier(tmp_path, key_pair, clock, sink) as world:
        await world.channel(sink)
        await world.rule()
        await world.tell(ended("r1"))
        await world.delivery("pending", tries=1, last_status_code=503)
        clock.forward(hours=24, seconds=1)
        lost = await world.delivery("undelivered")
        assert lost["next_try_at"] is None
        sink.status = 200
        answer = await world.api.post(f"/deliveries/{lost['delivery_id']}/retry")
        assert (answer.status_code, answer.json()["status"]) == (202, "pending")
        await world.delivery("delivered")
        again = await world.api.post(f"/deliveries/{lost['delivery_id']}/retry")
        assert again.status_code == 409


async def test_a_channel_can_be_tested(tmp_path: Path, key_pair: KeyPair, clock: Any, make_sink: MakeSink) -> None:
    """One signed message, once; the answer says what came back."""
    sink = await make_sink()
    async with _notifier(tmp_path, key_pair, clock, sink) as world:
        made = await world.channel(sink, secret=None)
        good = (await world.api.post("/channels/hook/test")).json()
        sink.status = 404
        bad = (await world.api.post("/channels/hook/test")).json()
        assert (await world.api.post("/channels/none/test")).status_code == 404
    assert (good["status"], good["moment"], good["tries"]) == ("delivered", "test", 1)
    assert (bad["status"], bad["last_status_code"]) == ("undelivered", 404)
    assert _verified(made["signing_key"], sink.got[0], clock)["type"] == "io.steptrail.channel.tested.v1"
    assert len(sink.got) == 2


@pytest.mark.req("NFR-014")
async def test_signing_keys_go_in_and_never_out(
    tmp_path: Path, key_pair: KeyPair, clock: Any, make_sink: MakeSink
) -> None:
    """Ours is shown once; one that was sent, never; the file holds neither."""
    sink = await make_sink()
    async with _notifier(tmp_path, key_pair, clock, sink) as world:
        ours = (await world.channel(sink, "ours", secret=None))["signing_key"]
        theirs = await world.channel(sink, "theirs")
        shown = [(await world.api.get(path)).text for path in ("/channels", "/channels/ours", "/channels/theirs")]
        change = {"channel_id": "ours", "name": "Renamed", "url": sink.url}
        shown.append((await world.api.put("/channels/ours", json=change)).text)
        await world.api.post("/channels/ours/test")
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())  # noqa: ASYNC240 - nothing else runs
    assert theirs["signing_key"] is None
    for key in (ours, KEY):
        assert all(key not in text for text in shown)
        assert key.encode() not in stored
        assert key.removeprefix("whsec_").encode() not in stored
    assert _verified(ours, sink.got[0], clock)


@pytest.mark.req("NFR-014")
async def test_another_host_asks_for_a_key(tmp_path: Path, key_pair: KeyPair, clock: Any, make_sink: MakeSink) -> None:
    """Whoever may change the address cannot have messages signed for it with the old key."""
    sink, other = await make_sink(), await make_sink()
    async with _notifier(tmp_path, key_pair, clock, sink, other) as world:
        await world.channel(sink)
        moved = {"channel_id": "hook", "name": "Hook", "url": other.url}
        refused = await world.api.put("/channels/hook", json=moved)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["path"] == "body.secret"
        assert (await world.api.put("/channels/hook", json=moved | {"secret": KEY})).status_code == 200
        assert (await world.api.post("/channels/hook/test")).json()["status"] == "delivered"
        within = moved | {"url": f"{other.url}/deeper"}
        assert (await world.api.put("/channels/hook", json=within)).json()["url"] == within["url"]


@pytest.mark.req("IR-8")
async def test_a_finished_run_is_told_by_e_mail(tmp_path: Path, key_pair: KeyPair, clock: Any, ended: Ended) -> None:
    """The same rules, the same log: one message, with a link to the run, and none for a repeated event."""
    with mail_server() as server:
        async with _notifier(tmp_path, key_pair, clock, server) as world:
            made = await world.api.post("/channels", json=_mail(server))
            assert (made.status_code, made.json()["signing_key"], made.json()["secret_set"]) == (201, None, False)
            await world.rule("desk", "stuck", "recovered")
            await world.tell(ended("r1", "stuck"))
            await world.tell(ended("r1", "stuck"))
            shown = await world.delivery("delivered")
            await world.tell(ended("r2", "success", minute=1))
            await world.delivery("delivered", moment="recovered")
    assert (shown["last_status_code"], shown["last_answer"]) == (250, "SMTP 250 2.0.0 OK queued as 1")
    first, second = (letter.message for letter in server.got)
    assert first["Subject"] == "Order to cash 4711: stuck at 5"
    assert first["Message-ID"] == f"<{shown['delivery_id']}@example.com>"
    assert "https://steptrail.example.com/runs/r1" in server.got[0].part("plain")
    assert second["Subject"] == "Order to cash 4711: good again"
    assert first["References"] == second["References"]


@pytest.mark.req("IR-8")
async def test_a_mail_server_on_a_bad_day(tmp_path: Path, key_pair: KeyPair, clock: Any, ended: Ended) -> None:
    """What may be taken later is tried again under the same id; what never will be ends at once, and can be retried."""
    with mail_server(answers=["451 4.7.1 greylisted", "554 5.7.1 spam"]) as server:
        async with _notifier(tmp_path, key_pair, clock, server) as world:
            await world.api.post("/channels", json=_mail(server))
            await world.rule("desk")
            await world.tell(ended("r1"))
            waiting = await world.delivery("pending", last_status_code=451)
            assert "greylisted" in waiting["last_error"]
            clock.forward(seconds=10)
            lost = await world.delivery("undelivered")
            assert (lost["tries"], lost["last_answer"]) == (2, "SMTP 554 5.7.1 spam")
            await world.api.post(f"/deliveries/{lost['delivery_id']}/retry")
            assert (await world.delivery("delivered"))["delivery_id"] == lost["delivery_id"]
    assert len(server.got) == 1


@pytest.mark.req("NFR-008")
async def test_a_mail_server_that_never_answers_delays_nobody(
    tmp_path: Path, key_pair: KeyPair, clock: Any, make_sink: MakeSink, ended: Ended
) -> None:
    """Its messages wait; the webhooks have all theirs meanwhile."""
    silent, quick = await make_sink(), await make_sink()  # they wait for a request, a mail client for a greeting
    stuck = MailServer(int(_address(silent).split(":")[1]))
    async with _notifier(tmp_path, key_pair, clock, stuck, quick) as world:
        await world.api.post("/channels", json=_mail(stuck))
        await world.channel(quick, "quick")
        await world.rule("desk")
        await world.rule("quick")
        for number in range(20):
            await world.tell(ended(f"r{number:02}", "success", minute=number))
        await quick.receive(20, seconds=40)
        assert await world.deliveries(channel_id="desk", status="delivered") == []


@pytest.mark.req("NFR-014")
async def test_the_password_of_an_account_goes_in_and_never_out(tmp_path: Path, key_pair: KeyPair, clock: Any) -> None:
    """Kept sealed for its server: another one, or no encryption, asks for it again or refuses it."""
    pem = certificate(tmp_path, "localhost")
    account = ("st", "pass-word-of-the-account")
    with mail_server("starttls", certificate=pem, account=account) as server:
        signed_in = {"host": "localhost", "security": "starttls", "username": "st", "ca_certificate": public_part(pem)}
        wanted = _mail(server, **signed_in)
        async with _notifier(tmp_path, key_pair, clock, server) as world:
            api = world.api

            async def refused(change: dict[str, Any], path: str) -> None:
                answer = await api.put("/channels/desk", json=change)
                assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path), answer.text

            missing = await api.post("/channels", json=wanted)
            assert missing.json()["errors"][0]["path"] == "body.secret"
            texts = [(await api.post("/channels", json=wanted | {"secret": account[1]})).text]
            texts.append((await api.post("/channels/desk/test")).text)
            await refused(_mail(server, **signed_in | {"host": "8.8.8.8", "port": 587}), "body.secret")
            await refused(_mail(server, **signed_in | {"security": "none"}), "body.email.username")
            await refused(_mail(server) | {"secret": "p"}, "body.email.username")
            await refused(wanted | {"secret": "p\r\nx"}, "body.secret")
            await refused({"channel_id": "desk", "name": "X", "url": "https://8.8.8.8/"}, "body.kind")
            renamed = await api.put("/channels/desk", json=wanted | {"name": "Renamed"})
            assert (renamed.status_code, renamed.json()["secret_set"]) == (200, True)
            texts += [(await api.post("/channels/desk/test")).text, (await api.get("/channels/desk")).text]
            assert (await api.put("/channels/desk", json=_mail(server))).json()["secret_set"] is False
    assert [letter.account for letter in server.got] == ["st", "st"]
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("n.db*"))  # noqa: ASYNC240 - nothing else runs
    for text in (*texts, stored.decode("latin-1")):
        assert account[1] not in text


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    ("more", "path"),
    [({"host": "127.0.0.1"}, "host"), ({"host": "localhost"}, "host"), ({"host": "2130706433"}, "host"),
     ({"host": "::1"}, "host"), ({"host": "::ffff:127.0.0.1"}, "host"), ({"host": "10.0.0.5"}, "host"),
     ({"host": "169.254.169.254"}, "host"), ({"host": "metadata.google.internal"}, "host"), ({"host": "a:b"}, "host"),
     ({"host": "8.8.8.8", "port": 80}, "port"), ({"host": "8.8.8.8", "port": 2525}, "port"),
     ({"host": "8.8.8.8", "recipients": ["a@b\r\nBcc: e@f"]}, "recipients[0]"),
     ({"host": "8.8.8.8", "sender": '"Ops" <a@b>'}, "sender")],
)  # fmt: skip
async def test_a_mail_server_that_could_never_be_used_is_refused(
    tmp_path: Path, key_pair: KeyPair, clock: Any, more: dict[str, Any], path: str
) -> None:
    """When it is saved, at its field."""
    async with _notifier(tmp_path, key_pair, clock) as world:
        answer = await world.api.post("/channels", json=_mail(MailServer(587), **more))
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, f"body.email.{path}"), answer.text


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "/channels", {"channel_id": "x", "name": "X", "url": "http://127.0.0.1:1/"}, 422, "body.url"),
        ("POST", "/channels", {"channel_id": "x", "name": "X", "url": "ftp://example.com/"}, 422, "body.url"),
        ("POST", "/channels", {"channel_id": "../x", "name": "X", "url": "https://8.8.8.8/"}, 422, "body.channel_id"),
        ("POST", "/channels", {"channel_id": "x", "name": "X", "url": "https://8.8.8.8/", "secret": "abc"}, 422,
         "body.secret"),
        ("POST", "/channels", {"channel_id": "x", "name": "X", "url": "https://8.8.8.8/", "sekret": "abc"}, 422,
         "body.sekret"),
        ("POST", "/rules", {"rule_id": "r", "channel_id": "none", "on": ["failed"]}, 422, "body.channel_id"),
        ("POST", "/rules", {"rule_id": "r", "channel_id": "x", "on": []}, 422, "body.on"),
        ("POST", "/rules", {"rule_id": "r", "channel_id": "x", "on": ["exploded"]}, 422, "body.on[0]"),
        ("POST", "/rules", {"rule_id": "r", "channel_id": "x", "on": ["failed"], "remind_every": "5"}, 422,
         "body.remind_every"),
        ("POST", "/rules", {"rule_id": "r", "channel_id": "x", "on": ["failed"], "after_failures": 0}, 422,
         "body.after_failures"),
        ("PUT", "/rules/r", {"rule_id": "other", "channel_id": "x", "on": ["failed"]}, 422, "body.rule_id"),
        ("PUT", "/rules/r", {"rule_id": "r", "channel_id": "none", "on": ["failed"]}, 422, "body.channel_id"),
        ("GET", "/channels/none", None, 404, None),
        ("DELETE", "/rules/none", None, 404, None),
        ("POST", "/deliveries/none/retry", None, 404, None),
        ("GET", "/deliveries?status=lost", None, 422, "query.status"),
        ("GET", "/deliveries?cursor=AAAA", None, 422, "cursor"),
        ("GET", "/deliveries?run_id=%00", None, 422, "query.run_id"),
    ],
)  # fmt: skip
async def test_bad_input_is_refused(
    tmp_path: Path, key_pair: KeyPair, clock: Any, method: str, path: str, body: Any, status: int, field: str | None
) -> None:
    """With an error that names the field."""
    async with _notifier(tmp_path, key_pair, clock) as world:
        answer = await world.api.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    if field is not None:
        assert answer.json()["errors"][0]["path"] == field


async def test_lists_are_paged(tmp_path: Path, key_pair: KeyPair, clock: Any, make_sink: MakeSink) -> None:
    """Channels, rules and deliveries, by cursor; the cursor of one list is refused by the others."""
    sink = await make_sink()
    cursors: dict[str, str] = {}
    async with _notifier(tmp_path, key_pair, clock, sink) as world:
        for name in ("a", "b", "c"):
            await world.channel(sink, name)
            await world.rule(name)
            await world.api.post(f"/channels/{name}/test")
        for path in ("/channels", "/rules", "/deliveries"):
            first = (await world.api.get(path, params={"limit": 2})).json()
            second = (await world.api.get(path, params={"limit": 2, "cursor": first["next_cursor"]})).json()
            assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (2, 1, None)
            cursors[path] = first["next_cursor"]
        for path, other in itertools.permutations(cursors, 2):
            refused = await world.api.get(path, params={"cursor": cursors[other]})
            assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "cursor")


def test_a_start_without_private_key_is_refused(tmp_path: Path, key_pair: KeyPair) -> None:
    """It could not sign anything."""
    settings = Settings.load(
        store=f"sqlite+aiosqlite:///{tmp_path}/n.db", bus="memory:", service_token=TOKEN, public_key=key_pair.public
    )
    with pytest.raises(ConfigurationError, match="private key"):
        build(settings)
