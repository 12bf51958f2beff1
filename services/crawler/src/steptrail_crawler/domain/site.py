"""The rules of a crawl: which addresses belong to a site, and what was seen of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import urldefrag, urljoin, urlsplit

from steptrail_checks.patterns import pattern
from steptrail_common.contracts.checks.web_crawl import Crawl
from steptrail_common.contracts.model import Json

from steptrail_crawler.domain.address import origin

MAX_LINKS = 5_000
"""Most links of one crawl that are tried beside the pages."""
MAX_SOURCES = 5
"""Pages named for one broken link."""
REFUSALS = frozenset({401, 403, 407, 429, 999})
"""Statuses of links that say "not you": the page may be there, only not for us."""


class CrawlRules:
    """Which addresses a crawl follows and which links it tries. Raises `CheckFailed` for a wrong pattern."""

    def __init__(self, crawl: Crawl, start: str) -> None:
        self.crawl = crawl
        self.start = start
        self._include = [pattern(text) for text in crawl.include]
        self._exclude = [pattern(text) for text in crawl.exclude]
        self._hosts = [host.lower() for host in crawl.hosts]

    def of_site(self, url: str) -> bool:
        """Whether an address belongs to the site: the start's host and port, or one of `hosts`."""
        _, host, port = origin(url)
        return (host, port) == origin(self.start)[1:] or any(fnmatchcase(host, wanted) for wanted in self._hosts)

    def followed(self, url: str, depth: int) -> bool:
        """Whether the page behind a link is looked at. `depth`: links away from the start."""
        if depth > self.crawl.depth or not self.of_site(url):
            return False
        if self._include and not any(wanted.search(url) for wanted in self._include):
            return False
        return not any(unwanted.search(url) for unwanted in self._exclude)

    def tried(self, url: str) -> bool:
        """Whether a link must work, though its page is not looked at."""
        if self.crawl.links == "none" or any(unwanted.search(url) for unwanted in self._exclude):
            return False
        return self.crawl.links == "all" or self.of_site(url)


def absolute(base: str, link: str) -> str | None:
    """A link as an address without its fragment; None for what is no web address or cannot be read."""
    try:
        url = urldefrag(urljoin(base, link.strip())).url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        origin(url)
    except ValueError:
        return None
    return url.replace(" ", "%20")


@dataclass(frozen=True, slots=True)
class PageFact:
    """One page of a crawl. `problem`: why it could not be looked at."""

    url: str
    depth: int
    status: int | None = None
    title: str | None = None
    size: int = 0
    seconds: float = 0.0
    redirects: Sequence[str] = ()
    problem: str | None = None

    def note(self) -> str | None:
        """Why it could not be looked at, or where it was redirected from."""
        return self.problem or (f"redirected from {self.redirects[0]}" if self.redirects else None)

    def shown(self) -> dict[str, Json]:
        facts: dict[str, Json] = {"url": self.url, "status": self.status, "title": self.title, "depth": self.depth}
        facts |= {"size": self.size, "seconds": round(self.seconds, 4)}
        facts |= {"redirected_from": list(self.redirects)} if self.redirects else {}
        return facts | ({"problem": self.problem} if self.problem else {})


@dataclass(slots=True)
class CrawlReport:
    """Everything a crawl saw. `skipped`: addresses not looked at, by reason; `stopped`: the limit that ended it."""

    pages: list[PageFact] = field(default_factory=list)
    links_tried: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    sources: dict[str, list[str]] = field(default_factory=dict)
    untitled: list[str] = field(default_factory=list)
    mixed: list[tuple[str, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None
    bytes: int = 0

    def linked(self, url: str, source: str) -> None:
        """Remember where a link stands; the first few places are enough."""
        places = self.sources.setdefault(url, [])
        if len(places) < MAX_SOURCES and source not in places:
            places.append(source)

    def outcome(self, url: str, status: int | None, problem: str | None) -> None:
        """How a link or page answered."""
        if problem is not None:
            self.broken[url] = problem
        elif status in REFUSALS:
            self.refused[url] = f"HTTP status {status}"
        elif status is not None and status >= 400:
            self.broken[url] = f"HTTP status {status}"

    @property
    def counts(self) -> dict[str, int]:
        return {
            "pages": sum(page.status is not None for page in self.pages),
            "broken_links": len(self.broken),
            "missing_titles": len(self.untitled),
            "mixed_content": len(self.mixed),
            "redirects": sum(bool(page.redirects) for page in self.pages),
        }

    def sentence(self) -> str | None:
        """What is broken, in one sentence; None if nothing is."""
        if not self.broken:
            return None
        url, problem = next(iter(self.broken.items()))
        places = self.sources.get(url)
        more = f", and {len(self.broken) - 1} more" if len(self.broken) > 1 else ""
        return f"broken link {url} ({problem}{f', linked from {places[0]}' if places else ''}){more}"

    def pages_table(self) -> dict[str, Json]:
        """Every page, without what differs from look to look by itself, so that two crawls can be compared."""
        return {
            "columns": ["url", "status", "title", "links away", "note"],
            "rows": [[page.url, page.status, page.title, page.depth, page.note()] for page in self.pages],
        }

    def broken_table(self) -> dict[str, Json]:
        """Every broken link, why, and where it stands."""
        return {
            "columns": ["url", "problem", "linked from"],
            "rows": [[url, why, "\n".join(self.sources.get(url, []))] for url, why in self.broken.items()],
        }

    def shown(self) -> dict[str, Json]:
        """The whole report as JSON, with times and sizes."""
        return {
            "summary": {**self.counts, "links_tried": self.links_tried, "bytes": self.bytes, "stopped": self.stopped},
            "broken_links": [
                {"url": url, "problem": problem, "linked_from": self.sources.get(url, [])}
                for url, problem in self.broken.items()
            ],
            "refused_links": [
                {"url": url, "problem": problem, "linked_from": self.sources.get(url, [])}
                for url, problem in self.refused.items()
            ],
            "pages_without_title": list(self.untitled),
            "mixed_content": [{"page": page, "loads": address} for page, address in self.mixed],
            "not_looked_at": dict(self.skipped),
            "pages": [page.shown() for page in self.pages],
        }
