"""Headers of a step and its connection in a browser: added to each request by where that very request goes.

Every request of a page is held, a redirected one anew, and gets what its own address calls for. Not by Playwright's
routes: those take what was added to a request along to wherever it is redirected.

Tabs that a page opens get theirs too. Their first request is on its way before Playwright tells of the tab, so
documents are held at the browser as a whole; the tab is then held like the page, before its document arrives.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession, Page
from playwright.async_api import Error as PlaywrightError

Headers = Callable[[str], dict[str, str]]
"""What is added to a request, by its address; names in lower case."""


class OwnHeaders:
    """Of one check."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        self._added: set[str] = set()
        self._browser: CDPSession
        self._context_id = ""
        self._page_id = ""
        self._tabs: dict[str, str] = {}
        """The sessions of the tabs, by the target they belong to."""

    async def start(self, browser: Browser, context: BrowserContext, page: Page) -> None:
        """From now on. Raises `PlaywrightError`."""
        own = await context.new_cdp_session(page)
        about = (await own.send("Target.getTargetInfo"))["targetInfo"]
        self._context_id, self._page_id = about["browserContextId"], about["targetId"]

        async def go_on(paused: dict[str, Any]) -> None:
            with suppress(PlaywrightError):
                await own.send("Fetch.continueRequest", self._changed(paused))

        own.on("Fetch.requestPaused", go_on)
        await own.send("Fetch.enable")
        self._browser = await browser.new_browser_cdp_session()
        self._browser.on("Fetch.requestPaused", self._on_document)
        self._browser.on("Target.receivedMessageFromTarget", self._on_message)
        await self._browser.send("Fetch.enable", {"patterns": [{"resourceType": "Document"}]})

    async def stop(self) -> None:
        """Let go of the browser, which serves other checks as well."""
        with suppress(PlaywrightError, AttributeError):
            await self._browser.detach()

    def _changed(self, paused: dict[str, Any]) -> dict[str, Any]:
        """How a held request goes on."""
        request = paused["request"]
        more = self._headers(request["url"])
        self._added.update(more)
        own = {name: value for name, value in request["headers"].items() if name.lower() not in self._added}
        entries = [{"name": name, "value": value} for name, value in {**own, **more}.items()]
        return {"requestId": paused["requestId"], "headers": entries}

    async def _on_document(self, paused: dict[str, Any]) -> None:
        """A document of any check that shares the browser: only those of our tabs are changed."""
        with suppress(PlaywrightError):
            ours = await self._of_our_tab(paused["frameId"])
            if ours:
                await self._hold(paused["frameId"])
            order = self._changed(paused) if ours else {"requestId": paused["requestId"]}
            await self._browser.send("Fetch.continueRequest", order)

    async def _of_our_tab(self, frame_id: str) -> bool:
        """Frames within a page are no targets, and held with their page."""
        try:
            about = (await self._browser.send("Target.getTargetInfo", {"targetId": frame_id}))["targetInfo"]
        except PlaywrightError:
            return False
        return about.get("browserContextId") == self._context_id and frame_id != self._page_id

    async def _hold(self, target_id: str) -> None:
        """Everything the tab asks for from now on."""
        if target_id in self._tabs:
            return
        attached = await self._browser.send("Target.attachToTarget", {"targetId": target_id, "flatten": False})
        self._tabs[target_id] = attached["sessionId"]
        await self._tell(attached["sessionId"], "Fetch.enable", {})

    async def _on_message(self, event: dict[str, Any]) -> None:
        message = json.loads(event["message"])
        if message.get("method") == "Fetch.requestPaused":
            with suppress(PlaywrightError):
                await self._tell(event["sessionId"], "Fetch.continueRequest", self._changed(message["params"]))

    async def _tell(self, session_id: str, method: str, parameters: dict[str, Any]) -> None:
        message = json.dumps({"id": 1, "method": method, "params": parameters})
        await self._browser.send("Target.sendMessageToTarget", {"sessionId": session_id, "message": message})
