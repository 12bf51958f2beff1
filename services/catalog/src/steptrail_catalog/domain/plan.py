"""What a run would touch, found without touching it: hosts, statements, files and secrets."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from steptrail_common.contracts.catalog import Plan, PlanItem
from steptrail_common.contracts.checks import Touch
from steptrail_common.contracts.checks.text import Place
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.definition import Definition, Step
from steptrail_common.contracts.expressions import OPEN

from steptrail_catalog.domain.expressions import fill
from steptrail_catalog.domain.targets import used_secrets


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
        name = step.check.connection_id
        settings = connections.get(name) if name is not None else None
        if name is not None and settings is None:
            warnings[f"the connection {name} is not known here"] = None
        elif settings is not None and (misfit := step.check.misfit(settings)) is not None:
            warnings[f"step {number} ({step.id}), {misfit[0]}: {misfit[1]}"] = None
    return Plan(process_id=definition.process, items=items, warnings=list(warnings))


def _touched(step: Step, known: Mapping[str, Any], connections: Mapping[str, ConnectionSettings]) -> Iterator[Touch]:
    check = step.check.filled(lambda text, place: fill(text, known, _ENCODERS.get(place, _as_it_is)))
    name = check.connection_id
    settings = connections.get(name) if name else None
    yield from check.touches(settings)
    if name and settings is not None:
        yield from _secrets(name, settings)


def _secrets(connection_id: str, settings: ConnectionSettings) -> Iterator[Touch]:
    auth, user = getattr(settings, "auth", None), getattr(settings, "username", None)
    for name in sorted(used_secrets(settings)):
        of_account = f"of {user}" if user else f"of {connection_id}"
        yield Touch("secret", f"{connection_id}.{name}", f"{auth} sign-in" if auth else of_account)


def _part(text: str, _at: int) -> str:
    return quote(text, safe="")


def _base_or_part(text: str, at: int) -> str:
    """At the very beginning of an address a value is its base and stays as it is."""
    return text if at == 0 else quote(text, safe="")


def _as_it_is(text: str, _at: int) -> str:
    return text


_ENCODERS = {Place.URL: _base_or_part, Place.URL_PATH: _part}
"""How a value that is known is shown inside each place."""
