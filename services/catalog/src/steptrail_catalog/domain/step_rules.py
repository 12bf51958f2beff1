"""Rules of one step that its shape alone does not tell."""

import re
from collections.abc import Mapping
from typing import Any

from steptrail_common.contracts.checks import ApiCall, DbQuery, FileCheck, WebCrawl
from steptrail_common.contracts.definition import Assertion, Capture, Definition, Step
from steptrail_common.contracts.expressions import OPEN

from steptrail_catalog.domain import addresses, patterns, words
from steptrail_catalog.domain.expressions import Malformed, fill, split
from steptrail_catalog.domain.places import Faults, Place

MAX_ATTEMPT_SECONDS = 3600.0
MAX_RUN_SECONDS = 7 * 86400.0
MIN_POLL_SECONDS = 0.1
_SOURCES = ("jsonpath", "selector", "xpath", "regex", "header", "column", "file", "jsonld", "finding", "cookies")
_BIND = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL)


def check_step(definition: Definition, step: Step, place: Place, faults: Faults) -> None:
    """Everything about one step but its expressions."""
    _check_target(definition, step, (*place, "check"), faults)
    for at, assertion in enumerate(step.assertions):
        _check_assertion(step, assertion, (*place, "assert", at), faults)
    for name, capture in step.capture.items():
        _check_capture(step, name, capture, (*place, "capture", name), faults)
    _check_times(definition, step, place, faults)


# --- what is looked at -----------------------------------------------------------------------------------------------


def _check_target(definition: Definition, step: Step, place: Place, faults: Faults) -> None:
    check = step.check
    if isinstance(check, DbQuery):
        _check_binds(check, place, faults)
    if not isinstance(check, WebCrawl | ApiCall | FileCheck):
        return
    if check.url is not None and check.connection is not None:
        faults.add((*place, "url"), "stands for itself: write either url, or connection and path")
    elif check.url is None and check.connection is None:
        faults.add(place, "needs either url, or connection and path")
    elif check.url is not None and check.path is not None:
        faults.add((*place, "path"), "belongs to a connection: with url write the whole address")
    elif isinstance(check, FileCheck) and check.connection is not None and check.path is None:
        faults.add((*place, "path"), "is required: the files to look for, such as invoices/*.xml")
    if check.url is not None:
        _check_url(definition, check.url, (*place, "url"), faults)
    if check.path is not None:
        _check_path(check, check.path, (*place, "path"), faults)
    if not isinstance(check, FileCheck):
        _check_headers(check, place, faults)
    if isinstance(check, ApiCall):
        _check_body(check, place, faults)
    if isinstance(check, WebCrawl):
        _check_page(definition, check, place, faults)


def _check_page(definition: Definition, check: WebCrawl, place: Place, faults: Faults) -> None:
    """Patterns and sitemap of a crawl, keys and secrets of a browser's actions."""
    if check.crawl is not None:
        for key in ("include", "exclude"):
            for at, pattern in enumerate(getattr(check.crawl, key)):
                if OPEN not in pattern and (fault := patterns.fault_of_regex(pattern)):
                    faults.add((*place, "crawl", key, at), fault)
        if isinstance(check.crawl.sitemap, str):
            _check_url(definition, check.crawl.sitemap, (*place, "crawl", "sitemap"), faults)
    for at, action in enumerate(check.browser.actions if check.browser is not None else ()):
        if action.secret is not None and check.connection is None:
            faults.add(
                (*place, "browser", "actions", at, "secret"), "belongs to a connection: write connection and path"
            )


def _check_url(definition: Definition, url: str, place: Place, faults: Faults) -> None:
    try:
        known = fill(url, {"vars": definition.vars}, lambda value, _at: value)
    except Malformed:
        return  # told with the expressions
    if known.startswith(OPEN):
        return  # its beginning is known when it runs
    fault = addresses.fault_of_url(_filled(known))
    if fault is not None:
        faults.add(place, fault)


def _check_path(check: WebCrawl | ApiCall | FileCheck, path: str, place: Place, faults: Faults) -> None:
    try:
        plain = _filled(path)
    except Malformed:
        return
    fault = addresses.fault_of_file_path(plain) if isinstance(check, FileCheck) else addresses.fault_of_path(plain)
    if fault is not None:
        faults.add(place, fault)


def _filled(text: str) -> str:
    """A text with a harmless word in the place of every expression. Raises `Malformed`."""
    return "".join(part if isinstance(part, str) else addresses.PLACEHOLDER for part in split(text))


def _check_headers(check: WebCrawl | ApiCall, place: Place, faults: Faults) -> None:
    for name, value in check.headers.items():
        if fault := addresses.fault_of_header(name, value):
            faults.add((*place, "headers", name), fault)


def _check_body(check: ApiCall, place: Place, faults: Faults) -> None:
    for field, fault in check.faults():
        faults.add((*place, field), fault)
    for key in ("items", "next", "until") if check.paginate is not None else ():
        path = getattr(check.paginate, key)
        wrong = patterns.fault_of("jsonpath", path) if path is not None and OPEN not in path else None
        if wrong is not None:
            faults.add((*place, "paginate", key), wrong)
    if check.graphql is not None and OPEN in check.graphql.query:
        faults.add(
            (*place, "graphql", "query"), "is never templated: declare a $variable and put the value into variables"
        )


def _check_binds(check: DbQuery, place: Place, faults: Faults) -> None:
    bare = _QUOTED.sub(" ", check.query or "")
    used = set(_BIND.findall(bare)) if check.documents is None else check.documents.binds()
    for name in sorted(used - check.params.keys()):
        faults.add((*place, "params", name), f"is required: the statement uses :{name}")
    for name in check.params.keys() - used:
        faults.warn((*place, "params", name), f"the statement does not use :{name}")
    if check.documents is None and not bare.strip():
        faults.add((*place, "query"), "must hold a statement")


# --- what must hold --------------------------------------------------------------------------------------------------


def _check_assertion(step: Step, assertion: Assertion, place: Place, faults: Faults) -> None:
    kind, subjects = step.check.type, step.check.subjects
    if assertion.subject not in subjects:
        offers = ", ".join(subjects) or "nothing to look at"
        faults.add((*place, assertion.subject), f"{kind} has no `{assertion.subject}`; it has {offers}")
        return
    argument = assertion.argument
    if argument is not None and OPEN not in argument and (fault := patterns.fault_of(assertion.subject, argument)):
        faults.add((*place, assertion.subject), fault)
    pattern = assertion.operators.get("matches")
    if isinstance(pattern, str) and OPEN not in pattern and (fault := patterns.fault_of_regex(pattern)):
        part = assertion.part if assertion.part == "text" else None if argument else assertion.subject
        inside = (*place, part) if part and _is_nested(assertion) else place
        faults.add((*inside, "matches"), fault)


def _is_nested(assertion: Assertion) -> bool:
    """Whether the operators were probably written inside the subject or part; only for the path of a message."""
    return assertion.argument is None or assertion.part == "text"


def _check_capture(step: Step, name: str, capture: Capture, place: Place, faults: Faults) -> None:
    kind, captures = step.check.type, step.check.captures
    source = next(key for key in _SOURCES if getattr(capture, key) is not None)
    if name == "status":
        faults.add(place, "every step has a status of its own: give the capture another name")
    if source not in captures:
        offers = ", ".join(captures) or "nothing to capture"
        faults.add((*place, source), f"{kind} has no `{source}` to capture; it has {offers}")
    text = getattr(capture, source)
    if OPEN not in text and (fault := patterns.fault_of(source, text)):
        faults.add((*place, source), fault)
    if capture.attribute is not None and source not in ("selector", "xpath"):
        faults.add((*place, "attribute"), "belongs to selector or xpath")


# --- times -----------------------------------------------------------------------------------------------------------


def _check_times(definition: Definition, step: Step, place: Place, faults: Faults) -> None:
    if step.timeout is not None and step.timeout > MAX_ATTEMPT_SECONDS:
        faults.add((*place, "timeout"), "one attempt may take at most 1h; to wait for a state use wait_until")
    if step.timeout is not None and step.timeout > definition.timeout:
        faults.warn((*place, "timeout"), "is longer than the timeout of the whole run")
    if step.wait_until is not None:
        if step.wait_until.interval < MIN_POLL_SECONDS:
            faults.add((*place, "wait_until", "interval"), "must be at least 100ms")
        if step.wait_until.timeout >= definition.timeout:
            faults.add((*place, "wait_until", "timeout"), "must be shorter than the timeout of the whole run")
        if step.wait_until.interval > step.wait_until.timeout:
            faults.warn((*place, "wait_until", "interval"), "is longer than its timeout: it looks once")
    if step.since is not None and step.expect_within is None:
        faults.add((*place, "since"), "says when expect_within begins to count: write expect_within as well")
    if step.expect_within is not None and step.on_failure == "warn":
        faults.warn((*place, "on_failure"), "an overdue step counts as a warning then")
    if step.always_run and step.on_failure == "stop" and step.expect_within is not None:
        faults.warn((*place, "expect_within"), "on a step that always runs it can make a passed run late")


def check_secrets(step: Mapping[str, Any], place: Place, faults: Faults) -> None:
    """Warns of keys that name a credential and have a value written out."""
    for inside, text in _keyed_texts(step.get("check"), (*place, "check")):
        key = next((part for part in reversed(inside) if isinstance(part, str)), "")
        named = "actions" in inside and key == "secret"  # the name of a secret, not the secret
        if words.looks_secret(key) and not named and OPEN not in text and text and "connection" not in inside[-1:]:
            faults.warn(
                inside, "looks like a secret: a definition may be public, keep it in the secrets of a connection"
            )


def _keyed_texts(value: Any, place: Place) -> list[tuple[Place, str]]:
    if isinstance(value, str):
        return [(place, value)]
    if isinstance(value, Mapping):
        return [found for key, item in value.items() for found in _keyed_texts(item, (*place, key))]
    if isinstance(value, list) and place[-1] != "mask":
        return [found for at, item in enumerate(value) for found in _keyed_texts(item, (*place, at))]
    return []
