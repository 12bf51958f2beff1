"""Files behind an HTTP address: sizes and times by HEAD, folders by the links of their index page.

Not fsspec's HTTP file system: that one reads index pages without a limit and does not tell when a file changed.
"""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote, unquote, urljoin, urlsplit

from steptrail_checks import documents
from steptrail_checks.port import CheckFailed
from steptrail_checks.values import as_datetime
from steptrail_common.contracts.model import FailureClass

from steptrail_crawler.adapters.exchange import follow
from steptrail_crawler.adapters.http import Answer, Credentials, Hop, HttpClient
from steptrail_crawler.domain.address import join
from steptrail_crawler.ports import Entry

MAX_LINKS = 1000
_GONE = frozenset({404, 410})
_NO_HEAD = frozenset({405, 501})


class HttpPlace:
    """The files below a base address. Each look is one request through the egress policy."""

    def __init__(
        self,
        client: HttpClient,
        base_url: str,
        credentials: Credentials | None,
        *,
        deadline: float,
        verify_tls: bool = True,
    ) -> None:
        self.title = base_url
        self._client = client
        self._credentials = credentials
        self._deadline = deadline
        self._verify_tls = verify_tls

    async def entries(self, folder: Sequence[str]) -> list[Entry]:
        url = self._url(folder, folder=True)
        answer = await self._ask("GET", url)
        if answer.status in _GONE:
            return []
        self._refuse(answer, url)
        tree = documents.tree(documents.decode(answer.body, answer.header("content-type"))[0], "text/html")
        names: dict[str, bool] = {}
        for link in tree.css("a::attr(href)").getall()[: MAX_LINKS * 2]:
            name = _child(link.strip(), answer.url)
            if name is not None:
                names.setdefault(name.rstrip("/"), name.endswith("/"))
        if len(names) > MAX_LINKS:
            raise CheckFailed(FailureClass.TOO_MANY, f"the index page holds more than {MAX_LINKS} links")
        return [
            Entry(name, "/".join([*folder, name]), is_folder, None, None) for name, is_folder in names.items() if name
        ]

    async def entry(self, path: Sequence[str]) -> Entry | None:
        url = self._url(path)
        answer = await self._ask("HEAD", url)
        if answer.status in _NO_HEAD:
            answer = await self._ask("GET", url)
        if answer.status in _GONE:
            return None
        self._refuse(answer, url)
        name = path[-1] if path else unquote(urlsplit(url).path.rsplit("/", 1)[-1]) or url
        return Entry(name, "/".join(path), False, _size(answer), _modified(answer))

    async def content(self, path: Sequence[str], limit: int) -> tuple[bytes, bool]:
        url = self._url(path)
        answer = await self._ask("GET", url)
        self._refuse(answer, url)
        return answer.body[:limit], answer.truncated or len(answer.body) > limit

    async def _ask(self, method: str, url: str) -> Answer:
        hop = Hop(method, url, {}, None, self._deadline, self._verify_tls)
        answer, _ = await follow(self._client, hop, self._credentials)
        return answer

    def _url(self, path: Sequence[str], *, folder: bool = False) -> str:
        if not path:
            return self.title.rstrip("/") + "/" if folder else self.title
        url = join(self.title, "/".join(quote(part) for part in path))
        return url.rstrip("/") + "/" if folder else url

    def _refuse(self, answer: Answer, url: str) -> None:
        if answer.status < 400:
            return
        classes = {401: FailureClass.AUTH, 403: FailureClass.PERMISSION, 429: FailureClass.RATE_LIMITED}
        failure_class = classes.get(answer.status, FailureClass.HTTP_STATUS)
        ours = answer.status == 401 and self._credentials is not None
        raise CheckFailed(failure_class, f"HTTP status {answer.status} for {url}", ours=ours)


def _child(link: str, base: str) -> str | None:
    """The name a link leads to directly below its own page, with a slash behind folders; None for any other link."""
    target, page = urlsplit(urljoin(base, link)), urlsplit(base)
    folder = page.path.rsplit("/", 1)[0] + "/"
    if target.netloc != page.netloc or target.query or not target.path.startswith(folder):
        return None
    rest = unquote(target.path[len(folder) :])
    inner = rest.rstrip("/")
    return rest if inner and "/" not in inner and inner not in (".", "..") else None


def _size(answer: Answer) -> int | None:
    length = answer.header("content-length")
    if answer.body and not answer.truncated:
        return len(answer.body)
    return int(length) if length is not None and length.isdigit() and len(length) < 16 else None


def _modified(answer: Answer) -> datetime | None:
    return as_datetime(answer.header("last-modified"))
