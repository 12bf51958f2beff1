"""The composition root of the crawler: a worker for pages, APIs and files."""

from steptrail_checks.worker import WorkerLoop
from steptrail_common.bus import connect
from steptrail_common.bus.port import Bus
from steptrail_common.clock import Clock, SystemClock
from steptrail_common.egress import EgressPolicy
from steptrail_common.evidence import EvidenceStore
from steptrail_common.sealing import SecretsKeyring
from steptrail_common.service import Service

from steptrail_crawler.adapters.api_call import ApiCallKind
from steptrail_crawler.adapters.file_check import FileCheckKind
from steptrail_crawler.adapters.http import HttpClient
from steptrail_crawler.adapters.web_crawl import WebCrawlKind
from steptrail_crawler.config import Settings


def build(settings: Settings, *, bus: Bus | None = None, clock: Clock | None = None) -> Service:
    """Everything of one crawler process. Raises `ConfigurationError` for rules, keys or addresses that cannot work."""
    bus = bus or connect(settings.bus, name=settings.worker_id)
    policy = EgressPolicy(settings.egress_allow, exceptions=settings.egress_exceptions, deny=settings.egress_deny)
    client = HttpClient(policy)
    evidence = EvidenceStore(settings.evidence)
    loop = WorkerLoop(
        bus,
        [WebCrawlKind(client), ApiCallKind(client), FileCheckKind(client, settings.file_roots)],
        evidence,
        SecretsKeyring.of_settings(settings.private_keys, settings.private_key_files),
        clock or SystemClock(),
        worker_id=settings.worker_id,
        concurrency=settings.concurrency,
    )
    return Service(
        name="crawler",
        bus=bus,
        start=[bus.start, loop.start],
        background=[loop.run_results, loop.run_heartbeats],
        stop=[loop.close],
        checks={"broker": loop.check_bus, "evidence": evidence.check},
    )
