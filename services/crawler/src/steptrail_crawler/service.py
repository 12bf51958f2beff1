"""The composition root of the crawler: a worker for pages, APIs, files and every kind of check from a plugin."""

from collections.abc import Sequence

from steptrail_checks.documents import json_paths
from steptrail_checks.plugins import Tools, plugin_kinds
from steptrail_checks.port import CheckKind
from steptrail_checks.worker import WorkerLoop
from steptrail_common.bus import connect
from steptrail_common.bus.port import Bus
from steptrail_common.clock import Clock, SystemClock
from steptrail_common.egress import EgressPolicy
from steptrail_common.errors import ConfigurationError
from steptrail_common.evidence import EvidenceStore
from steptrail_common.sealing import SecretsKeyring
from steptrail_common.service import Service

from steptrail_crawler.adapters.api_call import ApiCallKind
from steptrail_crawler.adapters.browser import BrowserPool
from steptrail_crawler.adapters.file_check import FileCheckKind
from steptrail_crawler.adapters.http import HttpClient, http1_wire
from steptrail_crawler.adapters.pages import PageFetcher
from steptrail_crawler.adapters.rendered import RenderedKind
from steptrail_crawler.adapters.sessions import Sessions
from steptrail_crawler.adapters.web_crawl import WebCrawlKind
from steptrail_crawler.config import Settings


def build(settings: Settings, *, bus: Bus | None = None, clock: Clock | None = None) -> Service:
    """Everything of one crawler process. Raises `ConfigurationError` for rules, keys or addresses that cannot work."""
    bus = bus or connect(settings.bus, name=settings.worker_id)
    policy = EgressPolicy(settings.egress_allow, exceptions=settings.egress_exceptions, deny=settings.egress_deny)
    clock = clock or SystemClock()
    evidence = EvidenceStore(settings.evidence)
    keyring = SecretsKeyring.of_settings(settings.private_keys, settings.private_key_files)
    politeness = settings.politeness()
    fetcher = PageFetcher(HttpClient(policy, politeness.pace))
    loop = WorkerLoop(
        bus,
        _wanted(_kinds(settings, fetcher, clock, Sessions(keyring)), settings.kinds),
        evidence,
        keyring,
        clock,
        worker_id=settings.worker_id,
        concurrency=settings.concurrency,
        politeness=politeness,
    )
    return Service(
        name="crawler",
        bus=bus,
        start=[bus.start, loop.start],
        background=[loop.run_results, loop.run_heartbeats],
        stop=[loop.close],
        checks={"broker": loop.check_bus, "evidence": evidence.check},
        ahead=[http1_wire, json_paths],
    )


def _kinds(settings: Settings, fetcher: PageFetcher, clock: Clock, sessions: Sessions) -> list[CheckKind]:
    """Every kind this program knows. Browsers start when a page asks for one, not before."""
    client = fetcher.client
    pool = BrowserPool(
        executable=settings.browser,
        sandbox=settings.browser_sandbox,
        max_memory_bytes=settings.browser_memory_mb * 1_000_000,
    )
    return [
        WebCrawlKind(client, fetcher),
        RenderedKind(fetcher, pool, concurrency=settings.browser_pages),
        ApiCallKind(client, sessions),
        FileCheckKind(client, settings.file_roots),
        *plugin_kinds(Tools(client.policy, clock)),
    ]


def _wanted(kinds: Sequence[CheckKind], names: Sequence[str]) -> list[CheckKind]:
    """The kinds a worker takes. Raises `ConfigurationError` for one that does not exist."""
    known = [kind.type for kind in kinds]
    if unknown := [name for name in names if name not in known]:
        raise ConfigurationError(f"STEPTRAIL_CRAWLER_KINDS names {unknown[0]!r}; there are {', '.join(known)}")
    return [kind for kind in kinds if not names or kind.type in names]
