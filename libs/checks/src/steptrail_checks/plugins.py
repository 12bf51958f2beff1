"""Check kinds from other packages: what a plugin implements and what the worker gives it.

The crawler hosts every plugin that is installed beside it. `examples/plugin-check` is a complete one.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

from steptrail_common.clock import Clock
from steptrail_common.contracts.checks import CheckConfiguration, plugins
from steptrail_common.contracts.model import FailureClass, Json
from steptrail_common.egress import EgressDenied, EgressPolicy, NameNotResolved
from steptrail_common.errors import ConfigurationError

from steptrail_checks import documents
from steptrail_checks.patterns import pattern
from steptrail_checks.port import CheckFailed, CheckKind
from steptrail_checks.subjects import Fault, Found, Source, not_here


@dataclass(frozen=True, slots=True)
class Tools:
    """What a plugin's check kind is made with. Whatever it reaches, it reaches through the egress policy."""

    policy: EgressPolicy
    clock: Clock

    async def connect(
        self, host: str, port: int, *, seconds: float, tls: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TCP (or TLS) connection to a judged address of the host. Raises `CheckFailed` of the right class."""
        try:
            async with asyncio.timeout(seconds):
                addresses = await self.policy.resolve(host, port, kind="tcp")
                return await self._first(addresses, host, port, tls)
        except EgressDenied as error:
            raise CheckFailed(FailureClass.BLOCKED_BY_POLICY, error.detail, reason=error.reason, ours=True) from error
        except NameNotResolved as error:
            raise CheckFailed(FailureClass.DNS, error.detail, reason="name_not_resolved") from error
        except TimeoutError as error:
            raise CheckFailed(FailureClass.TIMEOUT, f"{host}:{port} did not answer within {seconds:g} s") from error
        except ssl.SSLError as error:
            detail = getattr(error, "verify_message", None) or error.reason or "the handshake failed"
            raise CheckFailed(FailureClass.TLS, f"{host}:{port}: {detail}", reason="tls_error") from error
        except OSError as error:
            raise CheckFailed(
                FailureClass.CONNECT, f"{host}:{port} refuses connections: {error.strerror or error}"
            ) from error

    async def _first(
        self, addresses: list[str], host: str, port: int, tls: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name = host if tls is not None else None
        for address in addresses[:-1]:
            try:
                return await asyncio.open_connection(address, port, ssl=tls, server_hostname=name)
            except ssl.SSLError:
                raise
            except OSError:
                continue
        return await asyncio.open_connection(addresses[-1], port, ssl=tls, server_hostname=name)


class PluginKind(CheckKind, Protocol):
    """What the entry point names: a `CheckKind` that knows its configuration and is made with `Tools`."""

    configuration: ClassVar[type[CheckConfiguration]]

    def __init__(self, tools: Tools) -> None: ...


def plugin_kinds(tools: Tools, installed: Mapping[str, Any] | None = None) -> list[CheckKind]:
    """One of every installed kind. Raises `ConfigurationError` that names the one that cannot be made."""
    made: list[CheckKind] = []
    for name, plugin in (plugins() if installed is None else installed).items():
        try:
            kind = plugin(tools)
        except Exception as error:
            raise ConfigurationError(f"the check plugin {name} cannot start: {error}") from error
        missing = [part for part in ("check", "test", "close") if not callable(getattr(kind, part, None))]
        if missing or getattr(kind, "type", None) != name:
            wrong = f"it lacks {', '.join(missing)}" if missing else f'its `type` must be "{name}"'
            raise ConfigurationError(f"the check plugin {name} is no check kind: {wrong}")
        made.append(kind)
    return made


@dataclass(frozen=True)
class FactsSubject:
    """The answer of a kind whose result is one JSON document: asked by JSON path, or as text. `elapsed` in seconds."""

    facts: Json
    elapsed: float = 0.0
    text: str | None = None
    """What `text`, `body`, `content` and `regex` look at; None: this kind has no text."""

    OFFERS: ClassVar[tuple[str, ...]] = ("jsonpath", "count", "elapsed", "text", "regex")

    def lookup(self, source: Source) -> Found:
        if source.subject == "jsonpath":
            return Found(documents.find_json(self.facts, source.argument or "$"), default_row="all")
        if source.subject == "elapsed":
            return Found([self.elapsed])
        if source.subject == "count":
            return Found([self._count])
        if source.subject in ("text", "body", "content") and self.text is not None:
            return Found([self.text], from_text=True)
        if source.subject == "regex" and self.text is not None:
            return Found(self._matches(source.argument or ""), from_text=True)
        raise not_here(source, "this kind of check", ", ".join(self.OFFERS))

    def faults(self, asked: frozenset[str]) -> list[Fault]:
        return []

    @cached_property
    def _count(self) -> int:
        return len(self.facts) if isinstance(self.facts, list) else int(self.facts is not None)

    def _matches(self, expression: str) -> list[Json]:
        compiled = pattern(expression)
        found = compiled.finditer(self.text or "")
        return [match.group(1) if match.re.groups else match.group(0) for match in found][: documents.MAX_MATCHES]
