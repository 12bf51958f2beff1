"""What checks of pages saw beside the answer itself: linked data, the rest of the site, what a browser met."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from steptrail_common.contracts.checks.web_crawl import PAGE_FINDINGS
from steptrail_common.contracts.model import FailureClass, Json

from steptrail_checks import documents
from steptrail_checks.port import CheckFailed
from steptrail_checks.subjects import Fault, Found, HttpSubject, Source

MAX_JSONLD = 1000
"""Most JSON-LD objects of one page."""


@dataclass(frozen=True)
class PageSubject(HttpSubject):
    """A page. `counts`: what was counted (of `PAGE_FINDINGS`); what is not in it is told from the page itself.

    `broken`: a sentence about the links of its site that do not work, if any were looked at.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    broken: str | None = None

    def lookup(self, source: Source) -> Found:
        if source.subject == "jsonld":
            return Found(documents.find_json(self.linked_data, source.argument or "$"), default_row="all")
        if source.subject in PAGE_FINDINGS:
            return Found([self._count(source.subject)])
        return super().lookup(source)

    def faults(self, asked: frozenset[str]) -> list[Fault]:
        found = super().faults(asked)
        if self.broken is not None and "broken_links" not in asked:
            count = self.counts.get("broken_links", 0)
            found.append(
                Fault("broken_links", "eq", 0, count, FailureClass.ASSERTION, self.broken, reason="broken_links")
            )
        return found

    def _count(self, subject: str) -> int:
        if subject in self.counts:
            return self.counts[subject]
        if subject == "pages":
            return 1
        if subject == "missing_titles":
            return 0 if self.title else 1
        if subject == "mixed_content":
            return len(self.mixed_content)
        raise CheckFailed(FailureClass.INVALID_DEFINITION, _NOT_LOOKED_AT[subject], reason="unknown_subject")

    @cached_property
    def is_html(self) -> bool:
        return "html" in (self.content_type or "html").lower()

    @cached_property
    def title(self) -> str:
        """The page's title, blanks folded; empty if there is none."""
        return " ".join("".join(self.tree.xpath("(//title)[1]/text()").getall()).split())

    @cached_property
    def mixed_content(self) -> list[str]:
        """What a page that came by TLS loads, or sends forms to, without TLS."""
        if not self.url.lower().startswith("https:") or not self.is_html:
            return []
        found = self.tree.xpath(_LOADED).getall()
        return list(dict.fromkeys(address for address in found if address.strip().lower().startswith("http:")))

    @cached_property
    def linked_data(self) -> list[Json]:
        """The page's JSON-LD objects; lists and `@graph` are opened. Raises `CheckFailed` (`bad_json`)."""
        objects: list[Json] = []
        for text in self.tree.xpath('//script[@type="application/ld+json"]/text()').getall():
            written = documents.parse_json(text.strip().encode("utf-8", errors="replace"))
            for item in written if isinstance(written, list) else [written]:
                graph = item.get("@graph") if isinstance(item, dict) else None
                objects += graph if isinstance(graph, list) else [item]
        if len(objects) > MAX_JSONLD:
            raise documents.selector_error("jsonld", f"the page has more than {MAX_JSONLD} JSON-LD objects")
        return objects


_LOADED = (
    "//img/@src | //script/@src | //iframe/@src | //audio/@src | //video/@src | //source/@src | //embed/@src"
    " | //object/@data | //form/@action | //link[contains(concat(' ', @rel, ' '), ' stylesheet ')]/@href"
)
_NOT_LOOKED_AT = {
    "broken_links": "links are only followed by a crawl: add `crawl: {depth: 0}` to the check",
    "console_errors": "only a browser has a console: add `render: true` to the check",
    "failed_requests": "only a browser loads what a page needs: add `render: true` to the check",
}


def listing(facts: Mapping[str, Json]) -> bytes:
    """Facts as readable JSON, for evidence."""
    return json.dumps(facts, ensure_ascii=False, indent=2).encode("utf-8", errors="replace")
