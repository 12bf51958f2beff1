"""What the demo puts into a catalog: connections to the shop, and the processes that check it."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from steptrail_common.errors import NotFound
from steptrail_common.web import ServiceClient

from steptrail_embedded.demo.shop import API_KEY

ACTOR = {"X-Steptrail-Actor": "demo", "X-Steptrail-Role": "admin"}


def demo_connections(shop_url: str, folder: Path) -> list[dict[str, Any]]:
    """The connections the demo's processes name, as a client writes them."""
    return [
        {
            "connection_id": "demo-shop",
            "name": "Demo shop",
            "description": "Pages and GraphQL of the demo shop",
            "settings": {"kind": "http", "base_url": shop_url},
        },
        {
            "connection_id": "demo-order-service",
            "name": "Demo order service",
            "description": "The shop's JSON API, with an API key",
            "settings": {"kind": "http", "base_url": f"{shop_url}/api", "auth": "api_key"},
            "secrets": {"api_key": API_KEY},
        },
        {
            "connection_id": "demo-erp",
            "name": "Demo ERP",
            "description": "The order database of the demo shop",
            "settings": {"kind": "sqlite", "path": str(folder / "erp.sqlite")},
        },
        {
            "connection_id": "demo-bank-out",
            "name": "Demo bank folder",
            "description": "Where the demo shop leaves files for the bank",
            "settings": {"kind": "files", "root": str(folder / "bank-out")},
        },
    ]


def demo_definitions() -> dict[str, str]:
    """The demo's processes: id → YAML."""
    folder = files("steptrail_embedded.demo") / "processes"
    found = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return {entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8") for entry in found}


async def install(catalog: ServiceClient, shop_url: str, folder: Path) -> None:
    """Make what is missing. A process that is there stays as it is: its owner may have changed it."""
    for connection in demo_connections(shop_url, folder):
        await _put_connection(catalog, connection)
    for process_id, text in demo_definitions().items():
        try:
            await catalog.get_json(f"/processes/{process_id}")
        except NotFound:
            headers = ACTOR | {"Content-Type": "application/yaml"}
            await catalog.request("POST", "/processes", content=text.encode(), headers=headers)


async def _put_connection(catalog: ServiceClient, connection: dict[str, Any]) -> None:
    """The shop's address may be another one since the last start."""
    path = f"/connections/{connection['connection_id']}"
    try:
        present = await catalog.request("GET", path)
    except NotFound:
        await catalog.request("POST", "/connections", json=connection, headers=ACTOR)
        return
    settings = present.json()["settings"]
    if any(settings[name] != value for name, value in connection["settings"].items()):
        headers = ACTOR | {"If-Match": present.headers.get("etag", "*")}
        await catalog.request("PUT", path, json=connection, headers=headers)
