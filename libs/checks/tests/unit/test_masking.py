"""Secrets are hidden in whatever spelling they come back."""

import base64
import json

import pytest
from steptrail_checks.masking import MASK, Masker

SECRET = 's3cr"et/ü+x'


@pytest.mark.req("NFR-014")
@pytest.mark.parametrize(
    "text",
    [
        f"token={SECRET};",
        "q=s3cr%22et%2F%C3%BC%2Bx&b=1",
        json.dumps({"echo": SECRET}),
        json.dumps({"echo": SECRET}, ensure_ascii=False),
        "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode(),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_every_spelling_of_a_secret_is_hidden(text: str) -> None:
    """Plain, percent-encoded, inside JSON, in base64, as basic authentication."""
    masked = Masker.of([SECRET], username="me").text(text)
    assert MASK in masked
    assert "s3cr" not in masked
    assert base64.b64encode(b"me:s3cr").decode()[:8] not in masked


def test_sensitive_keys_and_headers_are_hidden_without_being_asked() -> None:
    """Passwords and tokens in bodies; credentials and cookies in headers."""
    masker = Masker.of()
    assert masker.json({"user": "a", "Password": "b", "x": [{"access_token": "c"}]}) == {
        "user": "a",
        "Password": MASK,
        "x": [{"access_token": MASK}],
    }
    for name in ("Authorization", "cookie", "Set-Cookie", "X-Api-Key"):
        assert masker.header(name, "abc") == MASK
    assert masker.header("Accept", "*/*") == "*/*"


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b'{"iban": "DE02", "ok": 1}', "application/json"),
        (b'{"iban": "DE02", broken', "application/json"),
        (b"iban=DE02&ok=1", "application/x-www-form-urlencoded"),
        (b'text "iban": "DE02" text', "text/plain"),
        (b'{"ib\\u0061n": "DE02", "ok": 1}', "application/json"),
        ('{"Iban": "DE02", "größe": "ok"}'.encode(), "application/json"),
        ('{"iban": "DE02", "ok": 1}'.encode("utf-16"), "application/json"),
    ],
)
def test_keys_a_step_hides_are_hidden_in_any_body(body: bytes, media_type: str) -> None:
    """JSON, broken JSON, forms and text."""
    masked = Masker.of((), ["IBAN"]).body(body, media_type)
    assert b"DE02" not in masked
    assert b"ok" in masked or b"broken" in masked or b"text" in masked


def test_keys_beyond_ascii_are_hidden_too() -> None:
    """In any case, in a body that is otherwise plain."""
    masker = Masker.of((), ["Schlüssel"])
    assert "DE02" not in masker.body('{"SCHLÜSSEL": "DE02"}'.encode(), "application/json").decode()
    assert b"DE02" not in masker.body(rb'{"Schl\u00fcssel": "DE02"}', "application/json")


def test_json_without_anything_to_hide_is_shown_as_it_is() -> None:
    """Numbers, texts that only look like a key, and characters beyond ASCII."""
    value = {"tokens": 12345678901234567890, "note": "a secret garden", "ü": [1.5, None, True, {}]}
    body = json.dumps(value, ensure_ascii=False).encode()
    assert json.loads(Masker.of(["hunter2"]).body(body, "application/json")) == value


def test_addresses_lose_the_values_of_hidden_keys() -> None:
    """Keys in query strings are a common place for tokens."""
    assert Masker.of().url("https://x/?a=1&api_key=zzz&b=2") == f"https://x/?a=1&api_key={MASK}&b=2"


def test_very_short_secrets_do_not_blacken_everything() -> None:
    """Three letters appear in every page; the header that carries them is hidden anyway."""
    assert Masker.of(["abc"]).text("abcdef") == "abcdef"
