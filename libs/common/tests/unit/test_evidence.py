"""Evidence is hashed when written and verified when read."""

import asyncio
import threading
import time
from pathlib import Path

import pytest
from steptrail_common import evidence
from steptrail_common.errors import ConfigurationError, NotFound, Unavailable
from steptrail_common.evidence import EvidenceDamaged, EvidenceStore, Kept, Piece


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


async def test_several_pieces_are_stored_in_order_and_trouble_is_told(tmp_path: Path) -> None:
    """What could be stored is kept; a folder that cannot be written is no reason to lose a result."""
    store = EvidenceStore(str(tmp_path))
    kept, trouble = await store.put_all("run-1", [Piece("page", b"1"), Piece("page", b"22", "image/png")])
    assert trouble is None
    assert [piece.size for piece in kept] == [1, 2]
    assert [await store.get(piece.address, piece.sha256) for piece in kept] == [b"1", b"22"]
    (tmp_path / "run-2").write_bytes(b"in the way")
    kept, trouble = await store.put_all("run-2", [Piece("page", b"1")])
    assert kept == []
    assert "cannot be stored" in str(trouble)
    with pytest.raises(Unavailable):
        await store.put("run-2", "page", b"1")


@pytest.mark.req("NFR-009")
@pytest.mark.parametrize("place", ["folder", "memory"])
async def test_small_pieces_of_one_attempt_share_a_file(tmp_path: Path, place: str) -> None:
    """Each is found by its own address and proved by its own hash; damage to one is not damage to the other."""
    root = str(tmp_path / "kept") if place == "folder" else f"memory://{tmp_path.name}"
    store = EvidenceStore(root)
    pieces = [Piece("request", b"GET /", "text/plain"), Piece("response", b"\x00\xff200", "text/plain")]
    kept, trouble = await store.put_all("run-1", pieces, together="1-page-1")
    assert trouble is None
    assert len({piece.address.partition("@")[0] for piece in kept}) == 1
    assert [(piece.size, await store.get(piece.address, piece.sha256)) for piece in kept] == [
        (5, b"GET /"),
        (5, b"\x00\xff200"),
    ]
    if place == "folder":
        file = tmp_path / "kept" / kept[0].address.partition("@")[0]
        file.write_bytes(b"GET /\x00\xff20X")
        assert await store.get(kept[0].address, kept[0].sha256) == b"GET /"
        with pytest.raises(EvidenceDamaged):
            await store.get(kept[1].address, kept[1].sha256)
        file.write_bytes(b"GET /")
        with pytest.raises(EvidenceDamaged):
            await store.get(kept[1].address, kept[1].sha256)
    await store.delete_run("run-1")
    with pytest.raises(NotFound, match="no longer kept"):
        await store.get(kept[0].address, kept[0].sha256)


@pytest.mark.req("NFR-009")
async def test_small_pieces_of_a_run_stand_one_behind_the_other(tmp_path: Path) -> None:
    """In a folder each worker adds to one file of its own, whichever of its attempts writes when; nothing is written
    over, and a piece that could not be written whole is nobody's."""
    one, other = EvidenceStore(str(tmp_path)), EvidenceStore(str(tmp_path))

    async def keep(store: EvidenceStore, number: int) -> tuple[Kept, bytes]:
        body = f"{number}".encode() * (number + 1)
        kept, _ = await store.put_all("run-1", [Piece("page", body)], together=f"{number}-page-1")
        return kept[0], body

    written = [await keep(store, number) for number in range(20) for store in (one, other)]
    threads = [asyncio.to_thread(asyncio.run, keep(one, number)) for number in range(20)]
    written += await asyncio.gather(*threads)
    assert [await one.get(kept.address, kept.sha256) for kept, _ in written] == [body for _, body in written]
    assert len(list((tmp_path / "run-1").iterdir())) == 2


@pytest.mark.parametrize("bodies", [[b"1", b""], [b"1", b"2" * evidence.AT_ONCE_BYTES]])
async def test_large_and_empty_pieces_have_files_of_their_own(tmp_path: Path, bodies: list[bytes]) -> None:
    """A range of no bytes cannot be asked of every store, and a large file need not be read for a small piece."""
    store = EvidenceStore(str(tmp_path))
    kept, trouble = await store.put_all("run-1", [Piece("piece", body) for body in bodies], together="1-page-1")
    assert trouble is None
    assert not [piece.address for piece in kept if "@" in piece.address]
    assert [await store.get(piece.address, piece.sha256) for piece in kept] == bodies


async def test_pieces_that_cannot_be_stored_together_are_all_lost(tmp_path: Path) -> None:
    """And that is told."""
    (tmp_path / "run-1").write_bytes(b"in the way")
    pieces = [Piece("request", b"1"), Piece("response", b"2")]
    kept, trouble = await EvidenceStore(str(tmp_path)).put_all("run-1", pieces, together="1-page-1")
    assert kept == []
    assert "cannot be stored" in str(trouble)


async def test_a_slow_folder_is_written_by_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pieces are written at once while the disk is quick; large ones and those behind a slow write never are."""
    writers: list[bool] = []
    seconds = 0.0

    def write(path: str, body: bytes) -> None:
        writers.append(threading.current_thread() is threading.main_thread())
        time.sleep(seconds)

    monkeypatch.setattr(evidence, "_write_local", write)
    store = EvidenceStore(str(tmp_path))
    await store.put("run-1", "small", b"1")
    await store.put("run-1", "large", b"1" * (evidence.AT_ONCE_BYTES + 1))
    seconds = evidence.SLOW_SECONDS * 1.1
    await store.put("run-1", "slow", b"1")
    seconds = 0.0
    await store.put("run-1", "behind", b"1")
    assert writers == [True, False, True, False]


async def test_changed_evidence_is_not_shown(tmp_path: Path) -> None:
    """One flipped byte is enough."""
    store = EvidenceStore(str(tmp_path))
    address, digest, _ = await store.put("run-1", "page", b"good")
    (tmp_path / address).write_bytes(b"evil")
    with pytest.raises(EvidenceDamaged):
        await store.get(address, digest)


@pytest.mark.parametrize(
    "address",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "run/../../x",
        "run/..",
        "run/.ssh",
        "a//b",
        "s3://b/x",
        "run",
        "a/b@1",
        "a/b@-1-2",
    ],
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
