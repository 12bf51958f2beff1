"""Settings: where values come from, and what is refused before anything starts."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict
from steptrail_common.errors import ConfigurationError
from steptrail_common.settings import ServiceSettings

TOKEN = "0123456789abcdef" * 2


class Settings(ServiceSettings):
    """A service called `sample`."""

    model_config = SettingsConfigDict(env_prefix="STEPTRAIL_SAMPLE_")
    store: str = "sqlite+aiosqlite:///:memory:"
    private_key: SecretStr | None = None


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test but those about the token has a good one."""
    monkeypatch.setenv("STEPTRAIL_SERVICE_TOKEN", TOKEN)


def test_the_services_own_variable_wins_over_the_shared_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """`STEPTRAIL_SAMPLE_LOG_LEVEL` is nearer than `STEPTRAIL_LOG_LEVEL`."""
    monkeypatch.setenv("STEPTRAIL_LOG_LEVEL", "warning")
    assert Settings.load().log_level == "warning"
    monkeypatch.setenv("STEPTRAIL_SAMPLE_LOG_LEVEL", "error")
    assert Settings.load().log_level == "error"


@pytest.mark.parametrize("name", ["STORE", "PORT"])
def test_store_and_port_are_never_shared(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Two services on one store or port would disturb each other."""
    monkeypatch.setenv(f"STEPTRAIL_{name}", "4000")
    settings = Settings.load()
    assert (settings.store, settings.port) == ("sqlite+aiosqlite:///:memory:", 8080)


@pytest.mark.req("NFR-014")
@pytest.mark.parametrize("prefix", ["STEPTRAIL_SAMPLE_", "STEPTRAIL_"])
def test_every_setting_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prefix: str) -> None:
    """A mounted secret is read, without the newline at its end."""
    (tmp_path / "key").write_text("the key\n")
    monkeypatch.setenv(f"{prefix}PRIVATE_KEY_FILE", str(tmp_path / "key"))
    key = Settings.load().private_key
    assert key is not None
    assert key.get_secret_value() == "the key"


def test_a_secret_file_that_cannot_be_read_names_variable_and_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator sees what to mend."""
    monkeypatch.setenv("STEPTRAIL_SAMPLE_PRIVATE_KEY_FILE", "/nowhere/key")
    with pytest.raises(ConfigurationError, match=r"STEPTRAIL_SAMPLE_PRIVATE_KEY_FILE: cannot read /nowhere/key"):
        Settings.load()


def test_a_misspelt_variable_is_refused_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not silently leave a default in force."""
    monkeypatch.setenv("STEPTRAIL_SAMPLE_STOER", "x")
    with pytest.raises(ConfigurationError, match="did you mean STEPTRAIL_SAMPLE_STORE"):
        Settings.load()


def test_variables_that_a_cluster_injects_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes describes a service called `steptrail-sample` in variables with our prefix."""
    monkeypatch.setenv("STEPTRAIL_SAMPLE_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("STEPTRAIL_SAMPLE_PORT_8080_TCP", "tcp://10.0.0.1:8080")
    assert Settings.load().port == 8080


def test_a_wrong_value_names_the_variable_and_not_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value in a message could be a secret in a log."""
    monkeypatch.setenv("STEPTRAIL_SAMPLE_PORT", "eighty-eighty")
    with pytest.raises(ConfigurationError, match="STEPTRAIL_SAMPLE_PORT: Input should be a valid integer") as refused:
        Settings.load()
    assert "eighty" not in refused.value.detail


@pytest.mark.req("NFR-014")
@pytest.mark.parametrize("bad", ["short", "changeme-changeme-changeme-changeme-changeme", "x" * 31])
def test_a_short_or_well_known_service_token_is_refused(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    """And the message says how to make a good one."""
    monkeypatch.setenv("STEPTRAIL_SERVICE_TOKEN", bad)
    with pytest.raises(ConfigurationError, match="openssl rand -hex 32"):
        Settings.load()


@pytest.mark.parametrize("host", ["rabbitmq", "10.0.0.5", "broker.example.org"])
def test_the_account_guest_is_refused_on_a_broker_elsewhere(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Its password is known to everybody."""
    monkeypatch.setenv("STEPTRAIL_BUS", f"amqp://guest:guest@{host}:5672/")
    with pytest.raises(ConfigurationError, match="the account guest is refused"):
        Settings.load()


def test_lists_are_written_with_commas_or_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is neither is refused."""
    monkeypatch.setenv("STEPTRAIL_SAMPLE_TRUSTED_PROXIES", "10.0.0.1, 10.0.0.2")
    assert Settings.load().trusted_proxies == ["10.0.0.1", "10.0.0.2"]
    monkeypatch.setenv("STEPTRAIL_SAMPLE_TRUSTED_PROXIES", '["10.0.0.3"]')
    assert Settings.load().trusted_proxies == ["10.0.0.3"]
    monkeypatch.setenv("STEPTRAIL_SAMPLE_TRUSTED_PROXIES", "[10.0.0.3")
    with pytest.raises(ConfigurationError, match="trusted_proxies"):
        Settings.load()


def test_the_service_is_named_after_its_prefix() -> None:
    """Logs and errors use the short name."""
    assert Settings.service_name() == "sample"
