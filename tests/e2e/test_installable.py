"""The page as an application of its own, on a desk and on a phone."""

import json

import pytest
from playwright.sync_api import Page

from .product import Product

IN_THE_TEST = "in-incognito"
"""Why a browser context of a test never installs anything; it is Chromium's only complaint."""


@pytest.mark.req("FR-016")
def test_the_page_can_be_installed(product: Product, page: Page) -> None:
    """Chromium finds nothing that hinders it; every icon of the manifest is there, in the size it says."""
    page.goto("/")
    session = page.context.new_cdp_session(page)
    hindrances = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [one["errorId"] for one in hindrances if one["errorId"] != IN_THE_TEST] == []
    told = session.send("Page.getAppManifest")
    assert told["errors"] == []
    manifest = json.loads(told["data"])
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in manifest["icons"]}
    touch = page.locator('link[rel="apple-touch-icon"]').get_attribute("href")
    for address in (*(icon["src"] for icon in manifest["icons"]), touch):
        size = page.evaluate(
            "src => new Promise((done, fail) => { const image = new Image(); image.onerror = fail;"
            " image.onload = () => done(`${image.naturalWidth}x${image.naturalHeight}`); image.src = src; })",
            address,
        )
        stated = next((icon["sizes"] for icon in manifest["icons"] if icon["src"] == address), "180x180")
        assert stated in (size, "any")
    for shortcut in manifest["shortcuts"]:
        assert page.goto(shortcut["url"]).ok  # type: ignore[union-attr]
        page.get_by_role("heading", level=1).first.wait_for()
