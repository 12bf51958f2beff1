"""What e-mails say, and how they are written."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steptrail_common.contracts.events import CloudEvent
from steptrail_common.contracts.mail import EmailSettings
from steptrail_common.contracts.orchestrator import RunEvent
from steptrail_notifier.domain.letter import SUBJECT_CHARACTERS, Letter, letter_of
from steptrail_notifier.domain.message import body_of
from steptrail_notifier.domain.post import message_of

pytestmark = pytest.mark.req("IR-8")

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Ended = Callable[..., tuple[CloudEvent, RunEvent]]
VERDICT = "Passed 1–3, stuck at 4 “Invoice reached the bank folder”, waiting 3 h 12 m."
EMAIL = EmailSettings(host="mail.example.com", sender="Überwachung <steptrail@example.com>",
                      recipients=["ada@example.com", "bob@example.com"])  # fmt: skip


@pytest.fixture
def body(ended: Ended) -> Callable[..., str]:
    """The body of a message about a run; `more` are further facts of its end."""

    def make(moment: str = "stuck", key: str | None = "4711", status: str = "stuck", **more: Any) -> str:
        event = ended("r1", status, key=key)[0].model_dump(mode="json", exclude_none=True)
        event["data"] |= {"verdict": VERDICT, "initiated_by": "ada", "trigger": "manual"} | more
        return body_of(event, moment=moment, rule_id="ops")

    return make


def incident(moment: str, **more: Any) -> str:
    data = {
        "incident_id": "abc", "number": 1, "at": NOON.isoformat(), "type": f"incident.{moment}", "state": "open",
        "title": "mail.example.com:25 cannot be reached", "kind": "target", "status": "failed", "keys_open": 3,
        "runs": 5, "opened_at": NOON.isoformat(), "run_id": "r1", "process_id": "p", "first_aid": "Ask the network.",
    } | more  # fmt: skip
    event = {"type": f"io.steptrail.incident.{moment}.v1", "data": data}
    return body_of(event, moment=f"incident_{moment}", rule_id="ops")


def written(body: str, *, public_url: str | None = "https://st.example.com", delivery_id: str = "d1") -> EmailMessage:
    sent = message_of(
        letter_of(body), EMAIL, channel_id="desk", delivery_id=delivery_id, at=NOON, public_url=public_url
    )
    assert max(len(line) for line in sent.split(b"\r\n")) <= 998
    assert sent.isascii()
    found = message_from_bytes(sent, policy=default)
    assert isinstance(found, EmailMessage)
    return found


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def test_a_mail_says_the_verdict_and_leads_to_the_run(body: Callable[..., str]) -> None:
    """As its subject, in plain text and in HTML, with what failed and where to look."""
    ends = [{"step_id": "s", "number": 4, "name": "Invoice", "status": "failed", "message": "no file",
             "first_aid": "Look at the folder."}]  # fmt: skip
    message = written(body(ends=ends))
    assert message["Subject"] == f"Order to cash 4711: {VERDICT}"
    assert str(message["From"]) == "Überwachung <steptrail@example.com>"
    assert str(message["To"]) == "ada@example.com, bob@example.com"
    for text in (part(message, "plain"), part(message, "html")):
        assert VERDICT in text
        assert "https://st.example.com/runs/r1" in text
        assert "Invoice: failed, no file" in text
        assert "Look at the folder." in text
        assert "ada (manual)" in text
        assert "rule “ops”" in text
    assert "prefers-color-scheme: dark" in part(message, "html")


def test_it_is_marked_as_written_by_a_machine(body: Callable[..., str]) -> None:
    """So that no absence note answers it, and people can sort it by its channel."""
    message = written(body())
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["List-Id"] == "<desk.steptrail.example.com>"
    assert message["Date"].datetime == NOON


def test_messages_that_belong_together_form_a_thread(body: Callable[..., str]) -> None:
    """Those of one incident, and those of one key of a process; ids differ by delivery alone."""
    opened, over = written(incident("opened"), delivery_id="d1"), written(incident("resolved"), delivery_id="d2")
    assert opened["References"] == over["References"] == opened["In-Reply-To"]
    assert (opened["Message-ID"], over["Message-ID"]) == ("<d1@example.com>", "<d2@example.com>")
    failed, good = written(body()), written(body("recovered", status="success"))
    assert failed["References"] == good["References"] != opened["References"]
    assert failed["References"] != written(body(key="4712"))["References"]


def test_good_news_looks_good(body: Callable[..., str]) -> None:
    """What is good again says so in its subject."""
    good = letter_of(body("recovered", status="success"))
    assert (good.subject, good.good) == ("Order to cash 4711: good again", True)
    assert letter_of(body("finished", status="success")).good
    assert not letter_of(body("finished")).good
    over = letter_of(incident("resolved"))
    assert (over.subject, over.good) == ("Over: mail.example.com:25 cannot be reached", True)
    assert over.path == "/incidents/abc"


def test_without_an_address_of_the_page_there_is_no_link(body: Callable[..., str]) -> None:
    """A link to a guessed address would lead nowhere."""
    message = written(body(), public_url=None)
    assert "http" not in part(message, "plain")
    assert "<a " not in part(message, "html")


@pytest.mark.req("NFR-012")
def test_hostile_text_stays_text(body: Callable[..., str]) -> None:
    """No header, no markup, no template, no hidden character comes out of what people or pages wrote."""
    evil = (
        "x\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script> {{7*7}} ${jndi:x} \u202egnp.exe \x00\u2028 $subject"
    )
    ends = [{"step_id": "s", "number": 1, "name": evil, "status": "failed", "message": evil, "first_aid": evil}]
    message = written(body(key=evil, verdict=evil, process_name=evil, initiated_by=evil, ends=ends))
    assert message["Bcc"] is None
    assert "\n" not in message["Subject"]
    html = part(message, "html")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    for text in (html, part(message, "plain")):
        assert "{{7*7}}" in text
        assert "${jndi:x}" in text
        assert "$subject" in text
        assert not re.search("[\u202e\x00\u2028]", text)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(["Passed", "1–4,", "at", "5", "“Invoice”", "für", "Größe", "漢", "😀", "Co."]), min_size=1,
             max_size=20),
)  # fmt: skip
def test_no_blank_is_lost_or_made_by_encoding(words: list[str]) -> None:
    """Neither in the subject nor in the sender's name, wherever a line is folded."""
    text = " ".join(words)
    email = EMAIL.model_copy(update={"sender": f"{text} <steptrail@example.com>".replace(",", "")})
    letter = Letter(text, "stuck", False, "", [], None, "", "", None)
    sent = message_of(letter, email, channel_id="desk", delivery_id="d1", at=NOON, public_url=None)
    read = message_from_bytes(sent)  # the newer parser makes blanks between encoded parts of a name itself
    assert str(make_header(decode_header(read["Subject"]))) == text
    name, address = parseaddr(read["From"].replace("\r\n", ""))
    assert (str(make_header(decode_header(name))), address) == (text.replace(",", ""), "steptrail@example.com")


def test_a_long_verdict_is_cut_in_the_subject_only(body: Callable[..., str]) -> None:
    """At a word, with a sign that there is more."""
    message = written(body(verdict="word " * 100))
    assert len(message["Subject"]) <= SUBJECT_CHARACTERS
    assert message["Subject"].endswith("word…")
    assert "word " * 99 in part(message, "plain").replace("\n", " ")


def test_a_test_says_that_it_is_one() -> None:
    """And what to do with it: nothing."""
    data = {"channel_id": "desk", "message": "A test of the channel Desk by Steptrail."}
    message = written(body_of({"type": "io.steptrail.channel.tested.v1", "data": data}, moment="test", rule_id="test"))
    assert message["Subject"] == "A test of the channel Desk by Steptrail."
    assert "References" not in message
    assert "Send test" in part(message, "plain")
