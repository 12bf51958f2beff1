"""The typed configuration of every check kind, one file each; `Check` is any installed one, told apart by `type`."""

from typing import Annotated, Any, Union

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from steptrail_common.contracts.checks.api_call import ApiCall, GraphQL
from steptrail_common.contracts.checks.configuration import CheckConfiguration, Touch
from steptrail_common.contracts.checks.db_query import DbQuery
from steptrail_common.contracts.checks.file_check import FileCheck
from steptrail_common.contracts.checks.registry import (
    BUILT_IN,
    PluginBroken,
    check_types,
    configurations,
    plugins,
    work_types,
)
from steptrail_common.contracts.checks.web_crawl import WebCrawl

__all__ = [
    "BUILT_IN",
    "ApiCall",
    "Check",
    "CheckConfiguration",
    "DbQuery",
    "FileCheck",
    "GraphQL",
    "PluginBroken",
    "Touch",
    "WebCrawl",
    "check_types",
    "configurations",
    "plugins",
    "work_types",
]


class _Installed:
    """Makes `Check` the union of all installed kinds: built-in ones and plugins."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        union: Any = Union[tuple(configurations().values())]  # noqa: UP007  (members known when it runs)
        return handler.generate_schema(Annotated[union, Field(discriminator="type")])


Check = Annotated[CheckConfiguration, _Installed]
"""Models that hold a check, however deep, are built when they are first used (`defer_build`), not on import: plugins
import this package themselves."""
