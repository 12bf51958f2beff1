"""`api_call`: REST and GraphQL requests, and lists over their pages."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from steptrail_checks.masking import Masker
from steptrail_checks.port import CheckContext, CheckFailed, EvidenceDraft, Observation, OpenedConnection
from steptrail_common import telemetry
from steptrail_common.contracts.catalog import ConnectionRights
from steptrail_common.contracts.checks import ApiCall
from steptrail_common.contracts.connections import HttpSettings
from steptrail_common.contracts.definition import Assertion
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import Finding

from steptrail_crawler.adapters.exchange import (
    credentials_of,
    deadline_of,
    follow,
    http_settings,
    masker_of,
    message_evidence,
    observe,
    secret_of,
)
from steptrail_crawler.adapters.http import Answer, CookieJar, Credentials, Hop, HttpClient
from steptrail_crawler.adapters.oauth2 import TokenRequest, Tokens
from steptrail_crawler.adapters.pagination import Pages, with_parameter
from steptrail_crawler.adapters.payload import payload_of
from steptrail_crawler.adapters.sessions import Sessions
from steptrail_crawler.adapters.tls import TlsOptions
from steptrail_crawler.domain.address import checked_headers, invalid, target

TEST_SECONDS = 10.0


@dataclass(slots=True)
class _Exchange:
    """One check under way: what to send, as whom, and how what comes back may be shown."""

    hop: Hop
    credentials: Credentials | None
    masker: Masker
    jar: CookieJar
    redirects: bool = True
    grant: TokenRequest | None = None
    hidden: tuple[str, ...] = ()


class ApiCallKind:
    """Sends the request a step describes, with the credentials of its connection."""

    type = "api_call"

    def __init__(self, client: HttpClient, sessions: Sessions | None = None) -> None:
        """`sessions`: for cookies between steps; without it steps that want them are refused."""
        self._client = client
        self._sessions = sessions
        self._tokens = Tokens(client)

    async def check(self, context: CheckContext) -> Observation:
        check = context.request.check
        if not isinstance(check, ApiCall):
            raise TypeError(check)
        exchange = await self._prepared(check, context)
        hop = exchange.hop
        started = time.monotonic()
        pages = Pages(check.paginate) if check.paginate is not None else None
        if pages is not None:
            exchange.hop = replace(hop, url=pages.begin(hop.url))
        answer, redirects = await self._asked(exchange)
        first, waited = answer, answer.waited
        while pages is not None and answer.status < 300 and not answer.truncated:
            following = pages.take(exchange.hop.url, answer)
            if following is None:
                answer.body = pages.document()
                break
            exchange.hop = replace(exchange.hop, url=following)
            answer, redirects = await self._asked(exchange)
            waited += answer.waited
        observation = observe(
            answer,
            redirects,
            target=f"{hop.method} {hop.url}",
            masker=exchange.masker,
            evidence=_evidence(hop, first if not redirects else None, answer, exchange.masker),
            elapsed=time.monotonic() - started - waited,
            graphql=check.graphql is not None,
            with_credentials=exchange.credentials is not None and _signs_in(context.connection),
            now=context.now,
            cookies=self._sealed(context, exchange.jar),
            hidden=exchange.hidden,
        )
        observation.findings.append(Finding(label="Protocol", value=answer.http_version))
        if pages is not None:
            observation.findings.append(Finding(label="Pages", value=len(pages.addresses)))
            observation.findings.append(Finding(label="Entries", value=len(pages.items)))
        return observation

    async def test(self, connection: OpenedConnection) -> ConnectionRights:
        """Any answer below 400 of the base address will do; one of 401 or 403 says that the credentials are wrong."""
        settings = http_settings(connection)
        if settings is None:
            raise invalid("an HTTP connection is needed")
        hop = Hop("GET", settings.base_url, {}, None, time.monotonic() + TEST_SECONDS, settings.verify_tls)
        hop = replace(hop, tls=tls_of(settings, connection, verify=settings.verify_tls))
        exchange = await self._signed_in(hop, connection, masker_of(connection))
        answer, _ = await self._asked(exchange)
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

    async def _prepared(self, check: ApiCall, context: CheckContext) -> _Exchange:
        hop = _hop(check, context)
        exchange = await self._signed_in(hop, context.connection, masker_of(context.connection, check.mask))
        exchange.redirects = not _expects_redirect(context.request.assertions)
        if check.cookies is not None:
            exchange.jar = self._usable().opened(check.cookies, context.request.run_id)
        return exchange

    async def _signed_in(self, hop: Hop, connection: OpenedConnection | None, masker: Masker) -> _Exchange:
        """Credentials beside the request; with OAuth 2 a token from the issuer, hidden like a secret."""
        credentials = credentials_of(connection)
        exchange = _Exchange(hop, credentials, masker, CookieJar())
        if connection is None or credentials is None:
            return exchange
        settings = http_settings(connection)
        if settings is not None and settings.auth == "api_key" and settings.api_key_query is not None:
            key = secret_of(connection, "api_key")
            exchange.hop = replace(hop, url=with_parameter(hop.url, settings.api_key_query, key))
        if settings is not None and settings.oauth2 is not None:
            exchange.grant = _grant(settings, connection)
            await self._with_token(exchange)
        return exchange

    async def _with_token(self, exchange: _Exchange) -> None:
        if exchange.grant is None or exchange.credentials is None:
            return
        token = await self._tokens.token(exchange.grant, exchange.hop.deadline)
        headers = {**exchange.credentials.headers, "Authorization": f"Bearer {token}"}
        exchange.credentials = Credentials(exchange.credentials.origin, headers)
        exchange.masker = exchange.masker.also(token)
        exchange.hidden = (*exchange.hidden, token)

    async def _asked(self, exchange: _Exchange) -> tuple[Answer, list[str]]:
        """The answer. A token that the server no longer takes is renewed once."""
        found = await follow(
            self._client, exchange.hop, exchange.credentials, redirects=exchange.redirects, jar=exchange.jar
        )
        if found[0].status == 401 and exchange.grant is not None:
            self._tokens.forget(exchange.grant)
            await self._with_token(exchange)
            exchange.grant = None
            return await self._asked(exchange)
        return found

    def _sealed(self, context: CheckContext, jar: CookieJar) -> str | None:
        wanted = any(capture.cookies is not None for capture in context.request.captures.values())
        return self._usable().sealed(jar, context.request.run_id) if wanted else None

    def _usable(self) -> Sessions:
        if self._sessions is None:
            raise invalid("this worker has no keys to keep cookies between steps")
        return self._sessions


def response_evidence(answer: Answer, masker: Any) -> Any:
    """The answer as evidence."""
    first_line = f"{answer.http_version} {answer.status} {answer.reason}"
    return message_evidence("response", "Response", first_line, answer.headers, answer.body, masker)


def _evidence(hop: Hop, sent: Answer | None, answer: Answer, masker: Masker) -> list[EvidenceDraft]:
    """The request as it went out (after redirects: as it was meant), and the answer; of pages the whole list."""
    headers = sent.request_headers if sent is not None else list(hop.headers.items())
    request = message_evidence("request", "Request", f"{hop.method} {hop.url}", headers, hop.content or b"", masker)
    return [request, response_evidence(answer, masker)]


def _hop(check: ApiCall, context: CheckContext) -> Hop:
    connection = context.connection
    settings = http_settings(connection)
    url = target(check.url, settings.base_url if settings else None, check.path)
    if check.query:
        pairs = urlencode([(name, _query_text(item)) for name, value in check.query.items() for item in _listed(value)])
        base, _, fragment = url.partition("#")
        url = f"{base}{'&' if '?' in base else '?'}{pairs}" + (f"#{fragment}" if fragment else "")
    secrets = {name: _field_secret(connection, secret) for name, secret in check.secrets.items()}
    content, media_type = payload_of(check, secrets)
    headers = {"Content-Type": media_type} if media_type else {}
    headers["Idempotency-Key"] = context.request.idempotency_key
    headers.update(telemetry.inject({}))
    headers.update(checked_headers(check.headers))
    verify = check.verify_tls and (settings.verify_tls if settings else True)
    tls = tls_of(settings, connection, verify=verify, http2=check.http2)
    return Hop(check.sent_method, url, _without_doubles(headers), content, deadline_of(context), verify, tls)


def tls_of(
    settings: HttpSettings | None, connection: OpenedConnection | None, *, verify: bool, http2: bool = False
) -> TlsOptions | None:
    """How a connection meets its server. None for what everybody gets."""
    if settings is None or connection is None or not (settings.ca_certificate or settings.client_certificate):
        return TlsOptions(verify=verify, http2=True) if http2 else None
    key = secret_of(connection, "client_key") if settings.client_certificate else None
    return TlsOptions(verify, settings.ca_certificate, settings.client_certificate, key, http2)


def _grant(settings: HttpSettings, connection: OpenedConnection) -> TokenRequest:
    oauth2 = settings.oauth2
    if oauth2 is None:
        raise invalid("auth: oauth2 needs its fields")
    client = (oauth2.client_id, secret_of(connection, "client_secret"))
    form = {"grant_type": "client_credentials", "scope": oauth2.scope, "audience": oauth2.audience}
    if oauth2.send_credentials == "body":
        form |= {"client_id": client[0], "client_secret": client[1]}
    given = tuple((name, value) for name, value in form.items() if value)
    basic = client if oauth2.send_credentials == "header" else None
    return TokenRequest(oauth2.token_url, given, basic, settings.verify_tls)


def _field_secret(connection: OpenedConnection | None, name: str) -> str:
    if connection is None:
        raise invalid("secrets are those of a connection: name one")
    return secret_of(connection, name)


def _signs_in(connection: OpenedConnection | None) -> bool:
    settings = http_settings(connection)
    return settings is not None and settings.auth != "none"


def _without_doubles(headers: Mapping[str, str]) -> dict[str, str]:
    """The step's own `content-type` replaces ours whatever its case."""
    latest: dict[str, tuple[str, str]] = {}
    for name, value in headers.items():
        latest[name.lower()] = (name, value)
    return dict(latest.values())


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _query_text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _expects_redirect(assertions: list[Assertion]) -> bool:
    """A step that asserts a status of 3xx wants to see the redirect itself."""
    wanted: list[Any] = []
    for assertion in assertions:
        if assertion.subject == "status":
            wanted += [assertion.operators.get("eq"), *(assertion.operators.get("in") or [])]
    return any(isinstance(status, int) and 300 <= status < 400 for status in wanted)
