"""Settings of the gateway."""

import pytest
from steptrail_common.errors import ConfigurationError
from steptrail_gateway.config import Settings

GOOD = {"store": "sqlite+aiosqlite:///x.sqlite", "service_token": "a-long-and-random-token-of-the-tests"}


def test_public_address_is_an_origin() -> None:
    assert Settings.load(**GOOD, public_url="https://steptrail.example.com/").public_url == (
        "https://steptrail.example.com"
    )


@pytest.mark.parametrize("wrong", ["steptrail.example.com", "ftp://x", "https://x/path", "https://x?q=1", "https://"])
def test_other_public_addresses_are_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="STEPTRAIL_GATEWAY_PUBLIC_URL"):
        Settings.load(**GOOD, public_url=wrong)


def test_short_administrator_password_is_refused() -> None:
    """And is not repeated in the message."""
    with pytest.raises(ConfigurationError, match="at least 12 characters") as refused:
        Settings.load(**GOOD, admin_password="hunter2")
    assert "hunter2" not in str(refused.value)


def test_administrator_password_comes_from_the_shared_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPTRAIL_ADMIN_PASSWORD", "a password of twelve")
    settings = Settings.load(**GOOD)
    assert settings.admin_password is not None
    assert settings.admin_password.get_secret_value() == "a password of twelve"
    assert "a password of twelve" not in repr(settings)
