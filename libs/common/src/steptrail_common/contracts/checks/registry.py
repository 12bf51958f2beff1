"""Which check kinds are installed: the built-in ones, and plugins found through the entry-point group.

A plugin names in its `pyproject.toml` one class per kind, the one its worker creates (`steptrail_checks.plugins`):

    [project.entry-points."steptrail.checks"]
    tcp_check = "steptrail_tcp_check:TcpCheckKind"

The class has `configuration`, a `CheckConfiguration` whose `type` is the entry point's name. Every service that has the
package installed knows the kind. Looking for plugins happens once, when the first model is built, not on import.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_args

from steptrail_common.contracts.checks.api_call import ApiCall
from steptrail_common.contracts.checks.configuration import CheckConfiguration
from steptrail_common.contracts.checks.db_query import DbQuery
from steptrail_common.contracts.checks.file_check import FileCheck
from steptrail_common.contracts.checks.web_crawl import WebCrawl

GROUP = "steptrail.checks"
BUILT_IN: tuple[type[CheckConfiguration], ...] = (WebCrawl, ApiCall, DbQuery, FileCheck)
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,40}\Z")


class PluginBroken(Exception):
    """An installed plugin cannot be used; the text names it and its package. Services refuse to start with it."""


def configurations() -> Mapping[str, type[CheckConfiguration]]:
    """The configuration of every installed kind by its type, built-in ones first. Raises `PluginBroken`."""
    return _built_in() | {name: plugin.configuration for name, plugin in plugins().items()}


def check_types() -> tuple[str, ...]:
    """The types of all installed kinds."""
    return tuple(configurations())


def work_types() -> tuple[str, ...]:
    """The kinds of work of all installed kinds: a queue and workers each."""
    return tuple(work for name, kind in configurations().items() for work in kind.works or (name,))


@cache
def plugins() -> Mapping[str, Any]:
    """The class of every installed plugin by its type. Raises `PluginBroken` that names a plugin that is wrong:
    a service that silently lacked a kind would refuse good definitions."""
    found: dict[str, Any] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        if point.name in found or point.name in _built_in():
            raise _broken(point, f"there is a check type {point.name} already")
        found[point.name] = _loaded(point)
    return found


def type_of(configuration: type[CheckConfiguration]) -> str:
    """The one value of its field `type`; empty if that is not one literal."""
    names = get_args(configuration.model_fields["type"].annotation)
    return names[0] if len(names) == 1 and isinstance(names[0], str) else ""


def _built_in() -> dict[str, type[CheckConfiguration]]:
    return {type_of(configuration): configuration for configuration in BUILT_IN}


def _loaded(point: EntryPoint) -> Any:
    try:
        plugin = point.load()
    except Exception as error:
        raise _broken(point, f"it cannot be loaded: {type(error).__name__}: {error}") from error
    configuration = getattr(plugin, "configuration", None)
    if not (isinstance(configuration, type) and issubclass(configuration, CheckConfiguration)):
        raise _broken(point, "its class needs `configuration`, a subclass of CheckConfiguration")
    if not _TYPE.match(point.name) or type_of(configuration) != point.name:
        raise _broken(
            point,
            f'its configuration must say type: Literal["{point.name}"], in lower-case letters, digits and underscores',
        )
    return plugin


def _broken(point: EntryPoint, why: str) -> PluginBroken:
    package = point.dist.name if point.dist else "an unknown package"
    return PluginBroken(
        f"the check plugin {point.name} ({point.value}) of {package} does not work: {why}; mend or uninstall it"
    )
