"""`api_call`: one REST or GraphQL request."""

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from steptrail_checks.port import CheckContext, CheckFailed, Observation, OpenedConnection
from steptrail_common import telemetry
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.definition import ApiCall, Assertion
from steptrail_common.contracts.model import FailureClass

from steptrail_crawler.adapters.exchange import (
    credentials_of,
    deadline_of,
    follow,
    http_settings,
    masker_of,
    message_evidence,
    observe,
)
from steptrail_crawler.adapters.http import Answer, Hop, HttpClient
from steptrail_crawler.domain.address import checked_headers, invalid, target

TEST_SECONDS = 10.0


class ApiCallKind:
    """Sends the request a step describes, with the credentials of its connection."""

    type = "api_call"

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def check(self, context: CheckContext) -> Observation:
        check = context.request.check
        if not isinstance(check, ApiCall):
            raise TypeError(check)
        connection = context.connection
        settings = http_settings(connection)
        credentials = credentials_of(connection)
        masker = masker_of(connection, check.mask)
        hop = _hop(check, context)
        started = time.monotonic()
        answer, redirects = await follow(
            self._client, hop, credentials, redirects=not _expects_redirect(context.request.assertions)
        )
        evidence = [
            message_evidence(
                "request",
                "Request",
                f"{hop.method} {hop.url}",
                answer.request_headers if not redirects else list(hop.headers.items()),
                hop.content or b"",
                masker,
            ),
            response_evidence(answer, masker),
        ]
        return observe(
            answer,
            redirects,
            target=f"{hop.method} {hop.url}",
            masker=masker,
            evidence=evidence,
            elapsed=time.monotonic() - started,
            graphql=check.graphql is not None,
            with_credentials=settings is not None and settings.auth != "none",
        )

    async def test(self, connection: OpenedConnection) -> ConnectionRights:
        """Any answer below 400 of the base address will do; one of 401 or 403 says that the credentials are wrong."""
        settings = http_settings(connection)
        if settings is None:
            raise invalid("an HTTP connection is needed")
        hop = Hop("GET", settings.base_url, {}, None, time.monotonic() + TEST_SECONDS, settings.verify_tls)
        answer, _ = await follow(self._client, hop, credentials_of(connection))
        if answer.status in (401, 403):
            failure_class = FailureClass.AUTH if answer.status == 401 else FailureClass.PERMISSION
            raise CheckFailed(
                failure_class, f"the server refuses the credentials: HTTP status {answer.status}", ours=True
            )
        detail = f"the server answers with HTTP status {answer.status}"
        return ConnectionRights(
            level="unknown", detail=f"{detail}; what an API account may do cannot be seen from here"
        )

    async def close(self) -> None:
        await self._client.close()


def response_evidence(answer: Answer, masker: Any) -> Any:
    """The answer as evidence."""
    first_line = f"{answer.http_version} {answer.status} {answer.reason}"
    return message_evidence("response", "Response", first_line, answer.headers, answer.body, masker)


def _hop(check: ApiCall, context: CheckContext) -> Hop:
    settings = http_settings(context.connection)
    url = target(check.url, settings.base_url if settings else None, check.path)
    if check.query:
        pairs = urlencode([(name, _query_text(value)) for name, value in check.query.items()])
        base, _, fragment = url.partition("#")
        url = f"{base}{'&' if '?' in base else '?'}{pairs}" + (f"#{fragment}" if fragment else "")
    content, media_type = _content(check)
    headers = {"Content-Type": media_type} if media_type else {}
    headers["Idempotency-Key"] = context.request.idempotency_key
    headers.update(telemetry.inject({}))
    headers.update(checked_headers(check.headers))
    method = "POST" if check.graphql is not None and check.method == "GET" else check.method
    verify_tls = check.verify_tls and (settings.verify_tls if settings else True)
    return Hop(method, url, _without_doubles(headers), content, deadline_of(context), verify_tls)


def _without_doubles(headers: Mapping[str, str]) -> dict[str, str]:
    """The step's own `content-type` replaces ours whatever its case."""
    latest: dict[str, tuple[str, str]] = {}
    for name, value in headers.items():
        latest[name.lower()] = (name, value)
    return dict(latest.values())


def _query_text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _content(check: ApiCall) -> tuple[bytes | None, str | None]:
    if sum(part is not None for part in (check.body, check.form, check.graphql)) > 1:
        raise invalid("write only one of json, form and graphql")
    if check.graphql is not None:
        document: dict[str, Any] = {"query": check.graphql.query, "variables": check.graphql.variables}
        if check.graphql.operation_name:
            document["operationName"] = check.graphql.operation_name
        return json.dumps(document).encode(), "application/json"
    if check.form is not None:
        return urlencode(check.form).encode(), "application/x-www-form-urlencoded"
    if check.body is not None:
        return json.dumps(check.body, ensure_ascii=False).encode(), "application/json"
    return None, None


def _expects_redirect(assertions: list[Assertion]) -> bool:
    """A step that asserts a status of 3xx wants to see the redirect itself."""
    wanted: list[Any] = []
    for assertion in assertions:
        if assertion.subject == "status":
            wanted += [assertion.operators.get("eq"), *(assertion.operators.get("in") or [])]
    return any(isinstance(status, int) and 300 <= status < 400 for status in wanted)
