"""What kinds of HTTP checks share: credentials of a connection, redirects, findings and evidence."""

import base64
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from urllib.parse import urljoin

from steptrail_checks.masking import Masker
from steptrail_checks.port import CheckContext, CheckFailed, EvidenceDraft, Observation, OpenedConnection
from steptrail_checks.subjects import HttpSubject
from steptrail_common.contracts.connections import HttpSettings
from steptrail_common.contracts.model import FailureClass
from steptrail_common.contracts.workers import Finding
from steptrail_common.egress import EgressDenied, EgressPolicy

from steptrail_crawler.adapters.http import MAX_BODY_BYTES, Answer, CookieJar, Credentials, Hop, HttpClient
from steptrail_crawler.adapters.tls import certificate_facts
from steptrail_crawler.domain.address import MAX_REDIRECTS, checked_headers, invalid, origin

MAX_EVIDENCE_BYTES = 256 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEXTUAL = ("text/", "json", "xml", "javascript", "x-www-form-urlencoded", "yaml")


def http_settings(connection: OpenedConnection | None) -> HttpSettings | None:
    """The settings of an HTTP connection; raises `CheckFailed` for another kind of connection."""
    if connection is None:
        return None
    if not isinstance(connection.settings, HttpSettings):
        raise invalid(f"connection {connection.connection_id} is of kind {connection.settings.kind}, not http")
    return connection.settings


def deadline_of(context: CheckContext) -> float:
    """By the monotonic clock, a little before the hard limit, so that what was seen so far can still be told."""
    return time.monotonic() + context.timeout_seconds * 0.98


def credentials_of(connection: OpenedConnection | None) -> Credentials | None:
    """The headers a connection adds at its own host. Raises `CheckFailed` when a secret is missing."""
    settings = http_settings(connection)
    if connection is None or settings is None:
        return None
    headers = dict(checked_headers(settings.headers))
    if settings.auth == "basic":
        pair = f"{settings.username or ''}:{secret_of(connection, 'password')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    elif settings.auth == "bearer":
        headers["Authorization"] = f"Bearer {secret_of(connection, 'token')}"
    elif settings.auth == "api_key" and settings.api_key_query is None:
        headers[settings.api_key_header] = secret_of(connection, "api_key")
    return Credentials(origin(settings.base_url), checked_headers(headers))


def secret_of(connection: OpenedConnection, name: str) -> str:
    """A secret of the connection. Raises `CheckFailed` (`secret_missing`)."""
    value = connection.secrets.get(name)
    if value is None:
        raise CheckFailed(
            FailureClass.AUTH,
            f"connection {connection.connection_id} has no secret `{name}`: enter it in the connection",
            reason="secret_missing",
            ours=True,
        )
    return value


def masker_of(connection: OpenedConnection | None, keys: Sequence[str] = ()) -> Masker:
    """Hides the connection's secrets, its key header and the keys the step hides."""
    settings = http_settings(connection)
    if connection is None or settings is None:
        return Masker.of((), keys)
    names = [settings.api_key_header, settings.api_key_query or ""] if settings.auth == "api_key" else []
    hidden = [*keys, *filter(None, names)]
    return Masker.of(connection.secrets.values(), hidden, username=settings.username)


async def follow(
    client: HttpClient,
    hop: Hop,
    credentials: Credentials | None,
    *,
    redirects: bool = True,
    jar: CookieJar | None = None,
) -> tuple[Answer, list[str]]:
    """(the last answer, the addresses that redirected). Each hop is judged by the policy again, credentials stay at
    their own host, cookies live as long as this exchange, or in `jar`. Raises `CheckFailed`."""
    judge(client.policy, hop.url)
    own = origin(hop.url)
    private = dict(hop.headers)
    jar = CookieJar() if jar is None else jar
    visited: list[str] = []
    timings: dict[str, float] = {}
    waited = 0.0
    started = time.monotonic()
    while True:
        extra = dict(credentials.for_url(hop.url)) if credentials else {}
        mine = private if origin(hop.url) == own else {}
        answer = await client.send(replace(hop, headers={**extra, **mine, **jar.for_url(hop.url)}))
        for phase, seconds in answer.timings.items():
            timings[phase] = timings.get(phase, 0.0) + seconds
        waited += answer.waited
        jar.keep(answer)
        location = answer.header("location") if answer.status in _REDIRECTS and redirects else None
        if location is None:
            timings["total"] = time.monotonic() - started - waited
            answer.timings, answer.waited = timings, waited
            return answer, visited
        visited.append(hop.url)
        if len(visited) > MAX_REDIRECTS:
            raise CheckFailed(
                FailureClass.PROTOCOL, f"more than {MAX_REDIRECTS} redirects", reason="too_many_redirects"
            )
        hop = _next_hop(client, hop, answer, location)


def judge(policy: EgressPolicy, url: str, prefix: str = "") -> None:
    """Raises `CheckFailed` (`blocked_by_policy`) for an address that is refused as it is written."""
    try:
        policy.check_url(url)
    except EgressDenied as error:
        raise CheckFailed(
            FailureClass.BLOCKED_BY_POLICY, prefix + error.detail, reason=error.reason, ours=True
        ) from error


def joined(policy: EgressPolicy, url: str, location: str) -> str:
    """Where a redirect leads. Raises `CheckFailed` when it is refused."""
    try:
        destination = urljoin(url, location.strip())
    except ValueError:
        destination = location
    judge(policy, destination, "redirected to a forbidden address: ")
    return destination


def _next_hop(client: HttpClient, hop: Hop, answer: Answer, location: str) -> Hop:
    url = joined(client.policy, hop.url, location)
    if answer.status == 303 or (answer.status in (301, 302) and hop.method == "POST"):
        method = "HEAD" if hop.method == "HEAD" else "GET"
        return replace(hop, method=method, url=url, content=None)
    if hop.content and origin(url) != origin(hop.url):
        raise CheckFailed(
            FailureClass.PROTOCOL,
            f"the answer redirects the request with its body to another host, {origin(url)[1]}",
            reason="redirect_refused",
        )
    return replace(hop, url=url)


def observe(
    answer: Answer,
    redirects: Sequence[str],
    *,
    target: str,
    masker: Masker,
    evidence: list[EvidenceDraft],
    elapsed: float,
    graphql: bool = False,
    with_credentials: bool = False,
    now: datetime | None = None,
    cookies: str | None = None,
    hidden: tuple[str, ...] = (),
) -> Observation:
    """What was seen. Raises `CheckFailed` (`too_large`) that carries it when the body was cut."""
    certificate = certificate_facts(answer.certificate, now) if answer.certificate and now else {}
    subject = HttpSubject(
        answer.status,
        answer.url,
        tuple(answer.headers),
        answer.body,
        elapsed,
        graphql,
        with_credentials,
        certificate,
        cookies,
    )
    findings = [
        Finding(label="HTTP status", value=answer.status),
        Finding(label="Content type", value=answer.header("content-type")),
        Finding(label="Size", value=len(answer.body)),
    ]
    findings += [Finding(label="Redirected from", value=masker.url(url)) for url in redirects]
    if redirects:
        findings.append(Finding(label="Final address", value=masker.url(answer.url)))
    if certificate:
        findings.append(Finding(label="Certificate valid until", value=certificate["not_after"]))
    if subject.body and textual(answer.header("content-type")) and subject.damaged:
        findings.append(Finding(label="Character set", value=f"{subject.charset}, with characters that do not belong"))
    observation = Observation(subject, masker.url(target), findings, answer.timings, evidence, hidden)
    if answer.truncated:
        raise CheckFailed(
            FailureClass.TOO_LARGE,
            f"the answer is larger than {MAX_BODY_BYTES // 1024 // 1024} MiB and was cut",
            observation=observation,
        )
    return observation


def textual(content_type: str | None) -> bool:
    """Whether a body of this type can be shown as text."""
    return content_type is None or any(part in content_type.lower() for part in _TEXTUAL)


def message_evidence(
    kind: str, title: str, first_line: str, headers: Sequence[tuple[str, str]], body: bytes, masker: Masker
) -> EvidenceDraft:
    """A request or answer as text: first line, headers, body; secrets hidden, cut at `MAX_EVIDENCE_BYTES`."""
    content_type = next((value for name, value in headers if name.lower() == "content-type"), None)
    lines = [masker.url(first_line), *(f"{name}: {masker.header(name, value)}" for name, value in headers), "", ""]
    shown = body[: MAX_EVIDENCE_BYTES * 4]
    if body and not textual(content_type):
        shown = f"({len(body)} bytes of {content_type}, not shown)".encode()
    masked = masker.body(shown, content_type or "")
    text = "\n".join(lines).encode("utf-8", errors="replace") + _as_utf8(masked, "replace")
    cut = _as_utf8(text[:MAX_EVIDENCE_BYTES], "ignore").replace(b"\x00", "\ufffd".encode())
    truncated = len(text) > MAX_EVIDENCE_BYTES or (len(body) > len(shown) > 0 and textual(content_type))
    return EvidenceDraft(kind, title, "text/plain; charset=utf-8", cut, truncated)


def _as_utf8(body: bytes, otherwise: str) -> bytes:
    """What is no UTF-8 is replaced or left out; most bodies are ASCII and stay as they are."""
    return body if body.isascii() else body.decode("utf-8", errors=otherwise).encode()
