"""Old runs are forgotten where the installation says so, and nothing else is."""

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
from steptrail_common.database import open_engine
from steptrail_common.errors import NotFound, Unavailable
from steptrail_common.evidence import EvidenceStore
from steptrail_common.testing.worker import passed
from steptrail_orchestrator.adapters.sql import Chains, SqlRunKeeping, SqlRunReader
from steptrail_orchestrator.handlers import Archive, forget_old_runs


@pytest.mark.req("NFR-017")
async def test_ended_runs_are_forgotten_with_events_and_evidence(bench: Any) -> None:
    """Those that ended before the moment; an open run stays, however old it is, and new ones begin as ever."""
    here = await bench()
    here.save({"id": "one"}, {"id": "two"})
    ended = (await here.ended(await here.start_run("4711")))["run_id"]
    store_of_evidence = EvidenceStore(str(here.folder / "evidence"))
    address, digest, _ = await store_of_evidence.put(ended, "page", b"seen")
    here.worker.plan("one", lambda request: None)
    still_open = await here.start_run("4712")
    await here.eventually(lambda: any(request.run_id == still_open for request in here.worker.requests))

    engine, chains = open_engine(here.store), Chains()
    keeping = SqlRunKeeping(engine)
    assert await forget_old_runs(keeping=keeping, evidence=store_of_evidence, keep_seconds=3600) == 0
    assert await forget_old_runs(keeping=keeping, evidence=store_of_evidence, keep_seconds=0) == 1

    assert (await here.http.get(f"/runs/{ended}")).status_code == 404
    assert (await here.view(still_open))["ended_at"] is None
    with pytest.raises(Exception, match="no longer kept"):
        await store_of_evidence.get(address, digest)
    reader = SqlRunReader(engine, chains)
    assert {event.run_id for _, event in await reader.events_since(None, after=0, limit=100)} == {still_open}
    here.worker.plan("one", passed)
    assert (await here.ended(await here.start_run("4713")))["status"] == "success"
    await engine.dispose()


@pytest.mark.req("NFR-017", "IR-7")
async def test_a_run_is_archived_before_it_is_forgotten(bench: Any) -> None:
    """One compressed line of JSON holds the run as the API showed it, its definition, its events, and the bytes of its
    evidence, whose hash still fits."""
    here = await bench()
    here.save({"id": "one"})
    store_of_evidence = EvidenceStore(str(here.folder / "evidence"))
    kept = await store_of_evidence.put("any", "page", b"<p>4711</p>", "text/html")
    piece = {"evidence_id": "e1", "kind": "page", "title": "Page", "media_type": "text/html",
             "size_bytes": kept.size, "sha256": kept.sha256, "address": kept.address}  # fmt: skip
    here.worker.plan("one", lambda request: passed(request, evidence=[piece]))
    shown = await here.ended(await here.start_run("4711"))

    engine = open_engine(here.store)
    archive = Archive(EvidenceStore(str(here.folder / "archive")), SqlRunReader(engine, Chains()))
    keeping = SqlRunKeeping(engine)
    assert await forget_old_runs(
        keeping=keeping, evidence=store_of_evidence, keep_seconds=0, archive=archive
    ) == 1  # fmt: skip
    await engine.dispose()

    assert (await here.http.get(f"/runs/{shown['run_id']}")).status_code == 404
    folder = here.folder / "archive" / shown["queued_at"][:7]
    [file], [sums] = folder.glob("*.gz"), folder.glob("*.sha256")
    assert sums.read_text() == f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
    [line] = gzip.decompress(file.read_bytes()).splitlines()
    document = json.loads(line)
    assert {name: document["run"][name] for name in ("run_id", "key", "status")} == {
        name: shown[name] for name in ("run_id", "key", "status")
    }
    assert [event["seq"] for event in document["events"]] == list(range(1, len(document["events"]) + 1))
    assert document["events"][-1]["type"] == "run.finished"
    assert document["definition"]["process"] == shown["process_id"]
    body = base64.b64decode(document["evidence"][0]["body"])
    assert hashlib.sha256(body).hexdigest() == kept.sha256


async def test_nothing_is_forgotten_while_the_archive_cannot_be_written(bench: Any) -> None:
    """The run is still there, with its evidence, when the archive has come back."""
    here = await bench()
    here.save({"id": "one"})
    ended = (await here.ended(await here.start_run("4711")))["run_id"]
    (here.folder / "archive").write_text("a file where the folder should be")
    engine = open_engine(here.store)
    archive = Archive(EvidenceStore(str(here.folder / "archive")), SqlRunReader(engine, Chains()))
    with pytest.raises(Unavailable):
        await forget_old_runs(
            keeping=SqlRunKeeping(engine),
            evidence=EvidenceStore(str(here.folder / "evidence")),
            keep_seconds=0,
            archive=archive,
        )
    await engine.dispose()
    assert (await here.view(ended))["status"] == "success"


class Stopped(SqlRunKeeping):
    """A replica that is stopped when it is about to delete the rows."""

    async def forget(self, run_ids: Sequence[str]) -> None:
        raise Unavailable("stopped")


@pytest.mark.req("NFR-017", "NFR-006")
async def test_a_run_that_is_half_forgotten_does_not_come_into_the_archive_again_with_less(bench: Any) -> None:
    """Its evidence is deleted when the replica stops: the next one forgets the rest, and the archive stays as it is."""
    here = await bench()
    here.save({"id": "one"})
    store_of_evidence = EvidenceStore(str(here.folder / "evidence"))
    ended = (await here.ended(await here.start_run("4711")))["run_id"]
    kept = await store_of_evidence.put(ended, "page", b"<p>4711</p>", "text/html")
    engine = open_engine(here.store)
    archive = Archive(EvidenceStore(str(here.folder / "archive")), SqlRunReader(engine, Chains()))
    with pytest.raises(Unavailable):
        await forget_old_runs(keeping=Stopped(engine), evidence=store_of_evidence, keep_seconds=0, archive=archive)
    with pytest.raises(NotFound):
        await store_of_evidence.get(kept.address, kept.sha256)
    before = {path.name: path.read_bytes() for path in (here.folder / "archive").rglob("*.*")}
    keeping = SqlRunKeeping(engine)
    assert await forget_old_runs(keeping=keeping, evidence=store_of_evidence, keep_seconds=0, archive=archive) == 1
    await engine.dispose()
    assert {path.name: path.read_bytes() for path in (here.folder / "archive").rglob("*.*")} == before
    assert len(before) == 2
    assert (await here.http.get(f"/runs/{ended}")).status_code == 404
