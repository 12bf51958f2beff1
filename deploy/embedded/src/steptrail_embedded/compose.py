"""The embedded topology: every service in one process, on an in-process bus, each with its own SQLite file.

The only code that imports more than one service.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx2
from steptrail_catalog.config import Settings as CatalogSettings
from steptrail_catalog.service import build as build_catalog
from steptrail_common import cel
from steptrail_common.bus import InProcessBroker, connect
from steptrail_common.bus.port import Bus
from steptrail_common.service import Service, require_plugins, running
from steptrail_common.web import ServiceClient
from steptrail_crawler.config import Settings as CrawlerSettings
from steptrail_crawler.service import build as build_crawler
from steptrail_dbprobe.config import Settings as DbprobeSettings
from steptrail_dbprobe.service import build as build_dbprobe
from steptrail_gateway.config import Settings as GatewaySettings
from steptrail_gateway.service import Clients, GatewayService
from steptrail_gateway.service import build as build_gateway
from steptrail_notifier.config import Settings as NotifierSettings
from steptrail_notifier.service import build as build_notifier
from steptrail_orchestrator.config import Settings as OrchestratorSettings
from steptrail_orchestrator.service import build as build_orchestrator
from steptrail_reporting.config import Settings as ReportingSettings
from steptrail_reporting.service import build as build_reporting

from steptrail_embedded.config import Settings
from steptrail_embedded.paths import DataFolder

DRAIN_SECONDS = 5.0
"""On a laptop a stop is quick: what is under way goes on at the next start."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `steptrail up` was told."""

    data: DataFolder
    host: str = "127.0.0.1"
    port: int = 8080
    demo: bool = True
    demo_port: int = 0


@dataclass(frozen=True, slots=True)
class Embedded:
    """All services, and the clients between them."""

    gateway: GatewayService
    others: Sequence[Service]
    catalog: ServiceClient
    clients: Sequence[ServiceClient]
    broker: InProcessBroker

    def combined(self) -> Service:
        """One service to serve: the gateway's API, with the others started before it and stopped after it."""
        stack = AsyncExitStack()

        async def start_others() -> None:
            for client in self.clients:
                stack.push_async_callback(client.aclose)
            for service in self.others:
                await stack.enter_async_context(running(service, drain_seconds=DRAIN_SECONDS))

        return Service(
            name="embedded",
            app=self.gateway.app,
            bus=self.gateway.bus,
            background=self.gateway.background,
            start=[start_others, *self.gateway.start],
            stop=[stack.aclose, *self.gateway.stop],
            checks=self.gateway.checks,
            before_shutdown=self.gateway.before_shutdown,
            ahead=[work for service in (self.gateway, *self.others) for work in service.ahead] + [cel.load],
        )


def compose(options: Options, *, shop_address: str | None = None) -> Embedded:
    """Build everything; nothing is started. `shop_address` (ip:port) is the demo's exception to the egress policy.

    Raises `ConfigurationError` when a setting of the environment or an installed check plugin is wrong.
    """
    require_plugins()
    data, broker = options.data, InProcessBroker()
    keys, token = data.secret_keys(), data.service_token()
    shared = {"bus": "memory:", "service_token": token}
    own = Settings.load()
    egress = {
        "egress_allow": own.egress_allow,
        "egress_exceptions": own.egress_exceptions + ([shop_address] if shop_address else []),
        "private_keys": [keys.private],
    }
    worker = egress | {
        "bus": "memory:",
        "evidence": str(data.evidence),
        "file_roots": [str(data.files), *own.file_roots],
    }

    def bus(name: str) -> Bus:
        return connect("memory:", name=name, broker=broker)

    catalog = build_catalog(
        CatalogSettings.load(**shared, store=data.store("catalog"), public_key=keys.public), bus=bus("catalog")
    )
    catalog_client = _client(catalog, token)
    orchestrator = build_orchestrator(
        OrchestratorSettings.load(**shared, store=data.store("orchestrator"), evidence=str(data.evidence)),
        bus=bus("orchestrator"),
        catalog=catalog_client,
    )
    reporting = build_reporting(ReportingSettings.load(**shared, store=data.store("reporting")), bus=bus("reporting"))
    notifier_settings = NotifierSettings.load(**shared, **egress, store=data.store("notifier"), public_key=keys.public)
    notifier = build_notifier(_with_address(notifier_settings, options), bus=bus("notifier"))
    crawler = build_crawler(CrawlerSettings.load(**worker), bus=bus("crawler"))
    dbprobe = build_dbprobe(DbprobeSettings.load(**worker), bus=bus("dbprobe"))
    own_clients = [catalog_client, *(_client(service, token) for service in (orchestrator, reporting, notifier))]
    return Embedded(
        gateway=_gateway(options, token, bus=bus("gateway"), clients=Clients(*own_clients)),
        others=[catalog, orchestrator, reporting, notifier, crawler, dbprobe],
        catalog=catalog_client,
        clients=own_clients,
        broker=broker,
    )


def _with_address(settings: NotifierSettings, options: Options) -> NotifierSettings:
    """Without another address, messages link to the one this process listens on."""
    if settings.public_url is not None or options.port == 0:
        return settings
    host = "127.0.0.1" if options.host in ("0.0.0.0", "::") else options.host  # noqa: S104  (compared, not bound)
    name = f"[{host}]" if ":" in host else host
    return settings.model_copy(update={"public_url": f"http://{name}:{options.port}"})


def _gateway(options: Options, token: str, *, bus: Bus, clients: Clients) -> GatewayService:
    settings = GatewaySettings.load(
        bus="memory:",
        service_token=token,
        store=options.data.store("gateway"),
        topology="embedded",
        demo=options.demo,
        host=options.host,
        port=options.port,
    )
    return build_gateway(settings, bus=bus, clients=clients)


def _client(service: Service, token: str) -> ServiceClient:
    """A client that calls the service's API without a network. Streams of events never pass here."""
    assert service.app is not None  # noqa: S101  (each of these services has an API)
    return ServiceClient(f"http://{service.name}", token, httpx2.ASGITransport(app=service.app))
