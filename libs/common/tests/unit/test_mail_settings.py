"""The form of an e-mail channel: what is refused, at which field."""

from typing import Any

import pytest
from pydantic import ValidationError
from steptrail_common.contracts.mail import MAX_RECIPIENTS, EmailSettings, sender_parts
from steptrail_common.contracts.notifier import ChannelWrite
from steptrail_common.web import field_errors

pytestmark = [pytest.mark.req("NFR-012"), pytest.mark.req("IR-8")]


def form(**more: Any) -> dict[str, Any]:
    email = {"host": "mail.example.com", "sender": "steptrail@example.com", "recipients": ["ada@example.com"]}
    return {"channel_id": "desk", "name": "Desk", "kind": "email", "email": email | more}


def test_the_usual_form_needs_three_fields() -> None:
    """Port 587 with STARTTLS, no account."""
    made = ChannelWrite.model_validate(form()).email
    assert made is not None
    assert (made.port, made.security, made.username, made.url) == (587, "starttls", None, "smtp://mail.example.com:587")


def test_a_channel_without_kind_is_a_webhook() -> None:
    """As before there were others."""
    assert ChannelWrite(channel_id="x", name="X", url="https://example.com").kind == "webhook"


@pytest.mark.parametrize(
    ("sender", "parts"),
    [("a@example.com", ("", "a@example.com")), ("Überwachung der Kasse <a@b>", ("Überwachung der Kasse", "a@b")),
     ("O'Neill & Co. <a+b@x.example>", ("O'Neill & Co.", "a+b@x.example"))],
)  # fmt: skip
def test_a_sender_may_have_a_name(sender: str, parts: tuple[str, str]) -> None:
    """Any that needs no quotes; how it is encoded is the library's business."""
    made = ChannelWrite.model_validate(form(sender=sender)).email
    assert made is not None
    assert sender_parts(made.sender) == parts


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"recipients": []}, "email.recipients"),
        ({"recipients": [f"a{number}@example.com" for number in range(1000)]}, "email.recipients"),
        ({"recipients": [f"a{number}@example.com" for number in range(MAX_RECIPIENTS + 1)]}, "email.recipients"),
        ({"recipients": ["ada@example.com", "a@b\r\nBcc: eve@example.com"]}, "email.recipients[1]"),
        ({"recipients": ["a@b\n"]}, "email.recipients[0]"),
        ({"recipients": ["a@b\x00"]}, "email.recipients[0]"),
        ({"recipients": ["Ada <ada@example.com>"]}, "email.recipients[0]"),
        ({"recipients": ["ada@example.com, bob@example.com"]}, "email.recipients[0]"),
        ({"recipients": ['"ada b"@example.com']}, "email.recipients[0]"),
        ({"recipients": ["ada"]}, "email.recipients[0]"),
        ({"recipients": ["@example.com"]}, "email.recipients[0]"),
        ({"recipients": ["a..b@example.com"]}, "email.recipients[0]"),
        ({"recipients": ["a@-example.com"]}, "email.recipients[0]"),
        ({"recipients": ["a@[127.0.0.1]"]}, "email.recipients[0]"),
        ({"recipients": ["ädä@example.com"]}, "email.recipients[0]"),
        ({"recipients": ["a@ex\u202eample.com"]}, "email.recipients[0]"),
        ({"recipients": ["a" * 65 + "@example.com"]}, "email.recipients[0]"),
        ({"recipients": ["a@" + "b" * 60 + ".c" * 100]}, "email.recipients[0]"),
        ({"recipients": "ada@example.com"}, "email.recipients"),
        ({"sender": '"Ops" <a@example.com>'}, "email.sender"),
        ({"sender": 'Op"s <a@example.com>'}, "email.sender"),
        ({"sender": "Ops, Inc <a@example.com>"}, "email.sender"),
        ({"sender": "Ops\r\nBcc: eve@example.com <a@example.com>"}, "email.sender"),
        ({"sender": "Ops\u202e <a@example.com>"}, "email.sender"),
        ({"sender": "Ops <a@example.com> <b@example.com>"}, "email.sender"),
        ({"sender": "a@example.com\r\nBcc: eve@example.com"}, "email.sender"),
        ({"sender": ""}, "email.sender"),
        ({"host": "mail.example.com\r\nX"}, "email.host"),
        ({"host": "mail.example.com:587/"}, "email.host"),
        ({"host": "user@mail.example.com"}, "email.host"),
        ({"host": ""}, "email.host"),
        ({"port": 0}, "email.port"),
        ({"port": 65536}, "email.port"),
        ({"port": "5m"}, "email.port"),
        ({"security": "ssl"}, "email.security"),
        ({"security": "none", "username": "u"}, "email.username"),
        ({"username": "u\r\nx"}, "email.username"),
        ({"username": ""}, "email.username"),
        ({"ca_certificate": "nonsense"}, "email.ca_certificate"),
        ({"ca_certificate": "-----BEGIN PRIVATE " + "KEY-----"}, "email.ca_certificate"),
        ({"password": "p"}, "email.password"),
    ],
)
def test_bad_settings_are_refused_at_their_field(more: dict[str, Any], path: str) -> None:
    """Before anything is saved."""
    with pytest.raises(ValidationError) as refused:
        ChannelWrite.model_validate(form(**more))
    assert [fault.path for fault in field_errors(refused.value.errors())] == [path]


@pytest.mark.parametrize(
    ("channel", "path"),
    [
        ({"kind": "email"}, "email"),
        ({"kind": "webhook"}, "url"),
        ({}, "url"),
        ({"kind": "webhook", "url": "https://example.com", "email": form()["email"]}, "email"),
        ({"kind": "email", "url": "https://example.com", "email": form()["email"]}, "url"),
        ({"kind": "pigeon", "url": "https://example.com"}, "kind"),
    ],
)
def test_a_channel_has_what_belongs_to_its_kind(channel: dict[str, Any], path: str) -> None:
    """And nothing of another."""
    with pytest.raises(ValidationError) as refused:
        ChannelWrite.model_validate({"channel_id": "x", "name": "X"} | channel)
    assert [fault.path for fault in field_errors(refused.value.errors())] == [path]


def test_who_stands_twice_is_told_once() -> None:
    """In the order they were written."""
    twice = ["b@example.com", "a@example.com", "b@example.com"]
    assert EmailSettings(**form(recipients=twice)["email"]).recipients == ["b@example.com", "a@example.com"]
