"""Configuration of `web_crawl`: one page, a bounded crawl of a site, or a page as a browser renders it."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from steptrail_common.contracts.checks.configuration import CheckConfiguration, Touch, address_touch, below
from steptrail_common.contracts.checks.http import HTTP_CAPTURES, HTTP_SUBJECTS, http_touches
from steptrail_common.contracts.checks.text import HeaderValue, Url, UrlPath
from steptrail_common.contracts.connections import ConnectionSettings
from steptrail_common.contracts.model import Contract, Duration, Slug

RENDERED = "web_crawl_rendered"
"""The kind of work that pages for a browser are: a queue and workers of their own."""
PAGE_FINDINGS = (
    "pages", "broken_links", "missing_titles", "mixed_content", "redirects", "console_errors", "failed_requests",
)  # fmt: skip
"""Counts that pages have beside what every HTTP answer has."""
Selector = Annotated[str, Field(min_length=1, max_length=1000)]
"""What a browser looks for: a CSS selector, `text=…` or `xpath=…`."""
Pattern = Annotated[str, Field(min_length=1, max_length=1000)]
HostName = Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9.-]{1,253}$")]
SIGNS_IN = "signs in through its login form"
VERBS = ("click", "fill", "press", "select", "wait", "pause", "scroll")


class Crawl(Contract):
    """Follow the links of a site, within limits. Broken links fail the step unless it asserts `broken_links` itself."""

    depth: int = Field(default=1, ge=0, le=10, description="How many links away from the start; 0: the start alone")
    max_pages: int = Field(default=50, ge=1, le=2000, description="Pages looked at, at most")
    max_bytes: int = Field(
        default=50_000_000, ge=10_000, le=1_000_000_000, description="Bytes fetched in all, at most (decoded)"
    )
    hosts: list[HostName] = Field(
        default=[],
        max_length=50,
        description="Further hosts whose pages belong to the site, such as *.shop.example; the start's own always does",
    )
    include: list[Pattern] = Field(
        default=[], max_length=50, description="Regular expressions: only addresses that match one are followed"
    )
    exclude: list[Pattern] = Field(
        default=[], max_length=50, description="Regular expressions: addresses that match one are not followed"
    )
    sitemap: bool | Url = Field(
        default=False, description="Start from the site's sitemap too: true finds it, an address names it"
    )
    links: Literal["site", "all", "none"] = Field(
        default="site",
        description="Which links must work: those to the site's own hosts, also those elsewhere, or none",
    )
    concurrency: int = Field(default=4, ge=1, le=16, description="Requests under way at once, at most")


class Action(Contract):
    """One thing to do on the page. Write exactly one verb: click, fill, press, select, wait, pause or scroll."""

    click: Selector | None = Field(default=None, description="Click the first element found")
    fill: Selector | None = Field(
        default=None, description="Put `value`, or the secret named by `secret`, into a field"
    )
    press: Annotated[str, Field(min_length=1, max_length=50)] | None = Field(
        default=None,
        description="A key such as Enter, Escape or Control+A; `on` names the element, else where focus is",
    )
    select: Selector | None = Field(default=None, description="Choose the option with this `value` or label")
    wait: Selector | None = Field(default=None, description="Wait until the element is visible")
    pause: Duration | None = Field(default=None, description="Wait this long; waiting for an element is better")
    scroll: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="`bottom`, `top`, or the selector of an element to bring into view"
    )
    value: Annotated[str, Field(max_length=8192)] | None = Field(default=None, description="For fill and select")
    secret: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")] | None = Field(
        default=None, description="For fill: the name of a secret of the connection, used at its own host only"
    )
    on: Selector | None = Field(default=None, description="For press: the element that gets the key")

    @property
    def verb(self) -> str:
        return next(name for name in VERBS if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_verb(self) -> "Action":
        verbs = [name for name in VERBS if getattr(self, name) is not None]
        if len(verbs) != 1:
            raise ValueError(f"an action is exactly one of {', '.join(VERBS)}")
        takes = {"fill": {"value", "secret"}, "select": {"value"}, "press": {"on"}}.get(verbs[0], set())
        given = {name for name in ("value", "secret", "on") if getattr(self, name) is not None}
        if extra := sorted(given - takes):
            raise ValueError(f"{extra[0]} does not belong to {verbs[0]}")
        if verbs[0] in ("fill", "select") and len(given) != 1:
            raise ValueError(f"{verbs[0]} needs {' or '.join(sorted(takes, reverse=True))}")
        return self


class Browser(Contract):
    """Open the page in Chromium, do something on it, and look at what is there then."""

    wait_for: Selector | None = Field(default=None, description="Look only when this element is visible")
    wait_until: Literal["load", "domcontentloaded", "networkidle"] = Field(
        default="load", description="When the page counts as open; networkidle: no request for half a second"
    )
    actions: list[Action] = Field(default=[], max_length=50, description="What to do on the page, in this order")
    viewport: Annotated[str, Field(pattern=r"^[1-9][0-9]{2,3}x[1-9][0-9]{2,3}$")] = Field(
        default="1280x800", description="Width and height of the window in pixels, such as 390x844"
    )
    screenshot: Literal["always", "on_failure", "never"] = Field(
        default="always", description="When a picture of the page is kept as evidence"
    )
    full_page: bool = Field(default=False, description="The picture shows the whole page, not only the window")
    har: Literal["always", "on_failure", "never"] = Field(
        default="never", description="When the log of all requests (HAR, secrets hidden) is kept as evidence"
    )


WITHOUT_CLIENT_CERTIFICATE = (
    "a browser cannot identify with the client_certificate of the connection: leave render and browser away, "
    "or use a connection without it"
)


class WebCrawl(CheckConfiguration):
    """Fetch a page and look into it; with `crawl` its site as well, with `render` or `browser` as Chromium shows it."""

    subjects: ClassVar[tuple[str, ...]] = (*HTTP_SUBJECTS, "jsonld", *PAGE_FINDINGS)
    captures: ClassVar[tuple[str, ...]] = (*HTTP_CAPTURES, "jsonld", "finding")
    connections: ClassVar[tuple[str, ...]] = ("http",)
    works: ClassVar[tuple[str, ...]] = ("web_crawl", RENDERED)

    type: Literal["web_crawl"]
    url: Url | None = Field(default=None, description="The page's whole address; else write connection and path")
    connection: Slug | None = Field(default=None, description="The connection that holds base address and credentials")
    path: UrlPath | None = Field(default=None, description="The page below the connection's base address")
    headers: dict[str, HeaderValue] = Field(
        default={}, max_length=50, description="Sent with the request, to the page's own host only"
    )
    verify_tls: bool = Field(default=True, description="False accepts any certificate")
    robots: Literal["obey", "ignore"] = Field(
        default="obey", description="Whether robots.txt and its crawl-delay count; ignore is for sites of your own"
    )
    conditional: bool = Field(
        default=True,
        description="Ask `not modified since` for a page seen before, and look at the one kept if it is so",
    )
    crawl: Crawl | None = Field(default=None, description="Follow the links of the site")
    render: bool = Field(default=False, description="Open the page in Chromium, with the browser's defaults")
    browser: Browser | None = Field(default=None, description="Open the page in Chromium, and what to do there")

    @property
    def rendered(self) -> bool:
        """Whether it needs a browser, and with it a worker that has one."""
        return self.render or self.browser is not None

    @property
    def work(self) -> str:
        return RENDERED if self.rendered else self.type

    def touches(self, settings: ConnectionSettings | None) -> Iterator[Touch]:
        for kind, target, detail in http_touches("GET", self.url, self.connection, self.path, settings):
            yield Touch(kind, target, f"{detail or ''} {self._manner}".strip() or None)
        if (login := getattr(settings, "login", None)) is not None:
            yield address_touch("GET", below(getattr(settings, "base_url", ""), login.path))._replace(detail=SIGNS_IN)
        if self.crawl is not None:
            yield from (Touch("host", host, "pages of the crawl") for host in self.crawl.hosts)
            if self.crawl.links == "all":
                yield Touch("host", "every host its pages link to", "HEAD, whether the links work")
            if isinstance(self.crawl.sitemap, str):
                yield address_touch("GET", self.crawl.sitemap)

    @property
    def _manner(self) -> str:
        if self.crawl is not None:
            return f"and up to {self.crawl.max_pages - 1} pages it links to"
        return "in a browser, with everything it loads" if self.rendered else ""

    def misfit(self, settings: ConnectionSettings) -> tuple[str, str] | None:
        if self.rendered and getattr(settings, "client_certificate", None):
            return "browser" if self.browser is not None else "render", WITHOUT_CLIENT_CERTIFICATE
        return None

    def shares_answer(self) -> bool:
        return self.browser is None or not self.browser.actions

    @model_validator(mode="after")
    def _crawl_or_browser(self) -> "WebCrawl":
        if self.crawl is not None and self.rendered:
            raise ValueError("a crawl looks at pages as they are sent: write either crawl, or render and browser")
        return self
