"""Secrets go in sealed and open only where they belong."""

from pathlib import Path

import pytest
from steptrail_common.contracts.connections import FilesSettings, HttpSettings, PostgresqlSettings, SqliteSettings
from steptrail_common.errors import ConfigurationError
from steptrail_common.sealing import (
    SealRefused,
    SecretsKeyring,
    generate_keys,
    open_sealed,
    seal,
    target_host,
)

PLACE = {"connection_id": "erp", "field": "password", "host": "db:5432"}


@pytest.mark.req("NFR-014")
def test_a_secret_opens_where_it_was_sealed_for() -> None:
    """Any text, also with an older key after a rotation."""
    old, new = generate_keys(), generate_keys()
    for value in ("s3cret", "", "päss\n☃", "x" * 10_000):
        assert open_sealed([new.private, old.private], seal(old.public, value, **PLACE), **PLACE) == value


@pytest.mark.parametrize("moved", [{"connection_id": "other"}, {"field": "token"}, {"host": "evil:5432"}])
def test_ciphertext_moved_elsewhere_is_refused(moved: dict[str, str]) -> None:
    """The inside names connection, field and host."""
    keys = generate_keys()
    with pytest.raises(SealRefused, match="enter it again"):
        open_sealed([keys.private], seal(keys.public, "s3cret", **PLACE), **{**PLACE, **moved})


@pytest.mark.parametrize("sealed", ["", "AAAA", "not base64 ☃", "x" * 500])
def test_damaged_ciphertext_is_refused_without_a_crash(sealed: str) -> None:
    """Whatever came over the wire."""
    with pytest.raises(SealRefused):
        open_sealed([generate_keys().private], sealed, **PLACE)


def test_without_the_right_key_nothing_opens() -> None:
    """A worker with another key says so and shows nothing."""
    with pytest.raises(SealRefused, match="no key"):
        open_sealed([generate_keys().private], seal(generate_keys().public, "s3cret", **PLACE), **PLACE)


def test_ciphertext_hides_length_and_repetition() -> None:
    """Two seals of one secret differ, and short secrets have one length."""
    keys = generate_keys()
    first, second = (seal(keys.public, value, **PLACE) for value in ("abcdefgh", "abcdefghij"))
    assert first != seal(keys.public, "abcdefgh", **PLACE)
    assert len(first) == len(second)


def test_the_host_of_a_connection_follows_scheme_and_port() -> None:
    """So that moving to http, or to another port, asks for the secret again."""
    assert target_host(HttpSettings(kind="http", base_url="https://API.example.com/v1")) == "api.example.com:443"
    assert target_host(HttpSettings(kind="http", base_url="http://api.example.com")) == "api.example.com:80"
    database = PostgresqlSettings(kind="postgresql", host="DB", port=6432, database="d", username="u")
    assert target_host(database) == "db:6432"
    assert target_host(SqliteSettings(kind="sqlite", path="/data/x.db")) == "local"
    assert target_host(FilesSettings(kind="files", root="/data")) == "local"
    assert target_host(FilesSettings(kind="files", root="https://files.example/")) == "files.example:443"


def test_key_files_are_read_and_wrong_ones_stop_the_start(tmp_path: Path) -> None:
    """Comments and blank lines are fine, anything else must be a key; the keyring never prints its keys."""
    keys = generate_keys()
    good = tmp_path / "key"
    good.write_text(f"# rotated in May\n\n{keys.private}\n")
    keyring = SecretsKeyring.from_files([good])
    assert keyring.open(seal(keys.public, "s3cret", **PLACE), **PLACE) == "s3cret"
    assert keys.private not in repr(keyring)
    assert keys.private not in repr(keys)
    bad = tmp_path / "bad"
    bad.write_text("short")
    with pytest.raises(ConfigurationError, match="32 bytes"):
        SecretsKeyring.from_files([bad])
    with pytest.raises(ConfigurationError, match="cannot be read"):
        SecretsKeyring.from_files([tmp_path / "none"])
