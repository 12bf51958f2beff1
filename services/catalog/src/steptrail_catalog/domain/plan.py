"""What a run would touch, found without touching it: hosts, statements, files and secrets."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from steptrail_common.contracts.catalog import ConnectionSettings, HttpSettings, Plan, PlanItem, PostgresqlSettings
from steptrail_common.contracts.definition import ApiCall, DbQuery, Definition, FileCheck, Step, WebCrawl

from steptrail_catalog.domain.expressions import OPEN, fill

_SECRETS = {"basic": "password", "bearer": "token", "api_key": "api_key"}
"""The secret that each way of signing in to an HTTP connection uses."""


def plan(definition: Definition, inputs: Mapping[str, Any], connections: Mapping[str, ConnectionSettings]) -> Plan:
    """The plan of a definition. Values that are not known yet are shown as the expression that will give them."""
    values = {name: spec.default for name, spec in definition.inputs.items()} | dict(inputs)
    known = {"inputs": {name: value for name, value in values.items() if value is not None}, "vars": definition.vars}
    items: list[PlanItem] = []
    warnings: dict[str, None] = {}
    for number, step in enumerate(definition.steps, 1):
        if not step.enabled:
            warnings[f"step {number} ({step.id}) is not enabled"] = None
            continue
        for kind, target, detail in _touched(step, known, connections):
            items.append(PlanItem(step_id=step.id, step_number=number, kind=kind, target=target, detail=detail))
            if kind == "host" and OPEN in target:
                warnings[f"step {number} ({step.id}): its host is known only when it runs"] = None
        name = step.check.connection
        if name is not None and name not in connections:
            warnings[f"the connection {name} is not known here"] = None
    return Plan(process_id=definition.process, items=items, warnings=list(warnings))


Touched = tuple[str, str, str | None]
"""(kind, target, detail)."""


def _touched(step: Step, known: Mapping[str, Any], connections: Mapping[str, ConnectionSettings]) -> Iterator[Touched]:
    check = step.check
    settings = connections.get(check.connection) if check.connection else None
    if isinstance(check, DbQuery):
        yield from _of_query(check, settings, known)
    elif check.url is not None:
        yield from _of_address(_method(check), fill(check.url, known, _base_or_part))
    elif settings is None:
        below = fill(check.path or "", known, _as_it_is)
        yield ("file" if isinstance(check, FileCheck) else "host"), f"connection {check.connection}", below or None
    else:
        yield from _below(check, settings, known)
    if check.connection and settings is not None:
        yield from _secrets(check.connection, settings)


def _below(
    check: WebCrawl | ApiCall | FileCheck, settings: ConnectionSettings, known: Mapping[str, Any]
) -> Iterator[Touched]:
    """A path below a connection: of a base address, or of a folder."""
    base = settings.base_url if isinstance(settings, HttpSettings) else getattr(settings, "root", "")
    if base.lower().startswith(("http://", "https://")):
        path = fill(check.path or "", known, _part)
        yield from _of_address(_method(check), f"{base.rstrip('/')}/{path.lstrip('/')}" if path else base)
    else:
        yield "file", f"{base.rstrip('/')}/{fill(check.path or '', known, _as_it_is)}", f"connection {check.connection}"


def _of_address(method: str, url: str) -> Iterator[Touched]:
    yield "host", _host(url), f"{method} {url}"


def _method(check: WebCrawl | ApiCall | FileCheck) -> str:
    if isinstance(check, ApiCall):
        return "POST" if check.graphql is not None and check.method == "GET" else check.method
    return "GET"


def _host(url: str) -> str:
    """`host:port` of an address; the expression it begins with if that is all that is known."""
    if url.startswith(OPEN):
        return url.split("}}", 1)[0] + "}}"
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    except ValueError:
        return url.split("//", 1)[-1].split("/", 1)[0]


def _of_query(check: DbQuery, settings: ConnectionSettings | None, known: Mapping[str, Any]) -> Iterator[Touched]:
    if isinstance(settings, PostgresqlSettings):
        yield "host", f"{settings.host}:{settings.port}", f"database {settings.database} as {settings.username}"
    elif settings is not None:
        yield "file", str(getattr(settings, "path", check.connection)), f"connection {check.connection}"
    else:
        yield "host", f"connection {check.connection}", None
    yield "statement", " ".join(check.query.split()), _binds(check, known)


def _binds(check: DbQuery, known: Mapping[str, Any]) -> str | None:
    shown = (
        f"{name} = {fill(value, known, _as_it_is) if isinstance(value, str) else value}"
        for name, value in check.params.items()
    )
    return ", ".join(shown) or None


def _secrets(connection_id: str, settings: ConnectionSettings) -> Iterator[Touched]:
    if isinstance(settings, HttpSettings) and settings.auth in _SECRETS:
        yield "secret", f"{connection_id}.{_SECRETS[settings.auth]}", f"{settings.auth} sign-in"
    if isinstance(settings, PostgresqlSettings):
        yield "secret", f"{connection_id}.password", f"of {settings.username}"


def _part(text: str, _at: int) -> str:
    return quote(text, safe="")


def _base_or_part(text: str, at: int) -> str:
    """At the very beginning of an address a value is its base and stays as it is."""
    return text if at == 0 else quote(text, safe="")


def _as_it_is(text: str, _at: int) -> str:
    return text
