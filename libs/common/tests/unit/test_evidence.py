"""Evidence is hashed when written and verified when read."""

from pathlib import Path

import pytest
from steptrail_common.errors import ConfigurationError, NotFound
from steptrail_common.evidence import EvidenceDamaged, EvidenceStore


@pytest.mark.req("NFR-009")
async def test_evidence_comes_back_byte_for_byte(tmp_path: Path) -> None:
    """Its address is relative to the store, so the store may move."""
    store = EvidenceStore(str(tmp_path / "evidence"))
    address, digest, size = await store.put("run-1", "step/1 page", b"<p>\x00\xff", "text/html; charset=x")
    assert size == 5
    assert address.startswith("run-1/step-1-page-")
    assert address.endswith(".html")
    (tmp_path / "evidence").rename(tmp_path / "moved")
    assert await EvidenceStore(str(tmp_path / "moved")).get(address, digest) == b"<p>\x00\xff"


async def test_changed_evidence_is_not_shown(tmp_path: Path) -> None:
    """One flipped byte is enough."""
    store = EvidenceStore(str(tmp_path))
    address, digest, _ = await store.put("run-1", "page", b"good")
    (tmp_path / address).write_bytes(b"evil")
    with pytest.raises(EvidenceDamaged):
        await store.get(address, digest)


@pytest.mark.parametrize(
    "address", ["../../etc/passwd", "/etc/passwd", "run/../../x", "run/..", "run/.ssh", "a//b", "s3://b/x", "run"]
)
async def test_addresses_never_leave_the_store(tmp_path: Path, address: str) -> None:
    """Whatever a caller asks for."""
    with pytest.raises(NotFound):
        await EvidenceStore(str(tmp_path)).get(address, "0" * 64)


async def test_hostile_names_become_plain_ones(tmp_path: Path) -> None:
    """Newlines, dots and slashes of a run or step never reach the file system."""
    store = EvidenceStore(str(tmp_path))
    address, digest, _ = await store.put("../../x", "\n=cmd()\x1b[31m" * 50, b"1")
    assert await store.get(address, digest) == b"1"
    assert len(EvidenceStore(str(tmp_path))._files.find(str(tmp_path))) == 1


async def test_a_run_can_be_dropped_as_a_whole(tmp_path: Path) -> None:
    """Dropping twice is fine; what is gone says so."""
    store = EvidenceStore(str(tmp_path))
    address, digest, _ = await store.put("run-1", "page", b"x")
    await store.delete_run("run-1")
    await store.delete_run("run-1")
    with pytest.raises(NotFound, match="no longer kept"):
        await store.get(address, digest)


async def test_other_stores_work_through_their_address() -> None:
    """The same behaviour on any fsspec file system."""
    store = EvidenceStore("memory://evidence")
    await store.check()
    address, digest, _ = await store.put("run-1", "page", b"x")
    assert await store.get(address, digest) == b"x"


@pytest.mark.parametrize("address", ["zip::memory://x", "nonsense://x"])
def test_addresses_that_cannot_work_stop_the_start(address: str) -> None:
    """Chained and unknown kinds of stores."""
    with pytest.raises(ConfigurationError):
        EvidenceStore(address)
