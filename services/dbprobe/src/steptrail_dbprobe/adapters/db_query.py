"""The check kind `db_query`: one read-only statement, and its rows as subject and evidence."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic_core import to_json
from steptrail_checks.masking import MASK, Masker
from steptrail_checks.port import CheckContext, CheckFailed, EvidenceDraft, Observation, OpenedConnection
from steptrail_checks.subjects import TableSubject
from steptrail_checks.values import json_value
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import DbQuery
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import Finding, KeyRequest

from steptrail_dbprobe.domain.keys import keys_of
from steptrail_dbprobe.domain.rows import ROW_LIMIT, Rows, shortened
from steptrail_dbprobe.ports import Engine

EVIDENCE_ROWS = 100
MAX_TARGET_CHARACTERS = 200


class DbQueryKind:
    """See `CheckKind`. `loaders`: by kind of connection, what makes its engine when it is asked for first."""

    type = "db_query"

    def __init__(self, loaders: Mapping[str, Callable[[], Engine]]) -> None:
        self._loaders = loaders
        self._engines: dict[str, Engine] = {}

    async def prepare(self, connection: OpenedConnection) -> None:
        """See `Preparing`: the driver is loaded in a thread, since that may take half a second."""
        if connection.settings.kind in self._loaders.keys() - self._engines.keys():
            await asyncio.to_thread(self._engine, connection)

    async def check(self, context: CheckContext) -> Observation:
        """Raises `CheckFailed`, with the statement as evidence."""
        check, connection = context.request.check, context.connection
        assert isinstance(check, DbQuery)  # noqa: S101  (requests come by check type)
        if connection is None:
            raise CheckFailed(
                FailureClass.INVALID_DEFINITION, "db_query needs a connection", reason="connection_missing", ours=True
            )
        began = time.monotonic()
        timings: dict[str, float] = {}
        masker = Masker.of(connection.secrets.values(), check.mask)
        try:
            rows = await self._engine(connection).query(
                connection, check, timeout_seconds=context.timeout_seconds, timings=timings
            )
        except CheckFailed as error:
            timings["total"] = time.monotonic() - began
            seen = _observed(check, connection, Rows([]), timings, masker)
            error.observation = error.observation or seen
            raise
        timings["total"] = time.monotonic() - began
        return _observed(check, connection, rows, timings, masker)

    async def test(self, connection: OpenedConnection) -> ConnectionRights:
        return await self._engine(connection).rights(connection)

    async def keys(self, connection: OpenedConnection, wanted: KeyRequest) -> tuple[list[str], list[datetime | None]]:
        """Many keys by one statement, each once, with the moments of the column `since`. Raises `CheckFailed`."""
        ROW_LIMIT.set(wanted.max_keys)
        asked = DbQuery(type="db_query", connection=connection.connection_id, query=wanted.query, params=wanted.params)
        rows = await self._engine(connection).query(
            connection, asked, timeout_seconds=wanted.timeout_seconds, timings={}
        )
        return keys_of(rows, wanted.key, wanted.since)

    async def close(self) -> None:
        """Connections live no longer than their check."""

    def _engine(self, connection: OpenedConnection) -> Engine:
        kind = connection.settings.kind
        if kind not in self._loaders:
            known = ", ".join(self._loaders)
            raise CheckFailed(
                FailureClass.INVALID_DEFINITION,
                f"{connection.connection_id} is a connection of kind {kind}; db_query needs one of: {known}",
                reason="connection_kind",
                ours=True,
            )
        if kind not in self._engines:
            self._engines[kind] = self._loaders[kind]()
        return self._engines[kind]


def _observed(
    check: DbQuery, connection: OpenedConnection, rows: Rows, timings: dict[str, float], masker: Masker
) -> Observation:
    target = f"{connection.connection_id} · {check.statement}"
    findings = [Finding(label="Rows", value=len(rows.rows))] if rows.columns else []
    return Observation(
        subject=TableSubject(rows.columns, rows.rows, timings["total"]),
        target=target if len(target) <= MAX_TARGET_CHARACTERS else f"{target[: MAX_TARGET_CHARACTERS - 1]}…",
        findings=findings,
        timings=timings,
        evidence=[_evidence(check, rows, masker)],
    )


def _evidence(check: DbQuery, rows: Rows, masker: Masker) -> EvidenceDraft:
    hidden = [column.lower() in masker.keys for column in rows.columns]
    document: dict[str, Any] = {
        "statement": masker.text(check.query or check.statement),
        "params": masker.json({name: json_value(value) for name, value in check.params.items()}),
        "row_count": len(rows.rows),
        "columns": list(rows.columns),
        "rows": [
            [
                MASK if hide and cell is not None else masker.json(shortened(json_value(cell)))
                for hide, cell in zip(hidden, row, strict=True)
            ]
            for row in rows.rows[:EVIDENCE_ROWS]
        ],
    }
    body = _written(document)
    title = "Statement and rows" if rows.columns else "Statement"
    return EvidenceDraft("rows", title, "application/json", body, truncated=len(rows.rows) > EVIDENCE_ROWS)


def _written(document: dict[str, Any]) -> bytes:
    """As readable JSON. The compiled writer refuses halves of characters, which databases do give out."""
    try:
        return to_json(document, indent=2, inf_nan_mode="constants")
    except ValueError:
        return json.dumps(document, ensure_ascii=False, indent=2).encode("utf-8", "replace")
