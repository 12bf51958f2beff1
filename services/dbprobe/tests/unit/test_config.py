"""The settings of the probe and its composition."""

from pathlib import Path

import pytest
from steptrail_common.bus.inprocess import InProcessBroker, InProcessBus
from steptrail_common.errors import ConfigurationError
from steptrail_common.sealing import generate_keys
from steptrail_dbprobe.config import Settings
from steptrail_dbprobe.service import build


@pytest.mark.req("NFR-014")
def test_a_probe_without_a_key_says_what_it_needs(tmp_path: Path) -> None:
    """It could open no connection: better not to start."""
    with pytest.raises(ConfigurationError, match="private key"):
        build(Settings.load(bus="memory:", evidence=str(tmp_path)), bus=InProcessBus(InProcessBroker()))


@pytest.mark.req("NFR-012")
def test_a_wrong_egress_rule_is_named(tmp_path: Path) -> None:
    """A typo must not open or close networks silently."""
    settings = Settings.load(
        bus="memory:", evidence=str(tmp_path), private_keys=[generate_keys().private], egress_allow=["10.0.0.0/99"]
    )
    with pytest.raises(ConfigurationError, match=r"10\.0\.0\.0/99"):
        build(settings, bus=InProcessBus(InProcessBroker()))


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the nearest one that exists."""
    monkeypatch.setenv("STEPTRAIL_DBPROBE_FILE_ROOT", '["/data"]')
    with pytest.raises(ConfigurationError, match="FILE_ROOTS"):
        Settings.load()
