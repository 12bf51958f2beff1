"""The page: files of the built browser application, read once into memory."""

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

API: Final = "/api"
_NOT_PAGE: Final = frozenset({"/healthz", "/readyz", API})
_HASHED: Final = re.compile(r"^/assets/.+[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$")
_TEXT: Final = ("text/", "application/javascript", "application/json", "application/manifest+json", "image/svg+xml")
_COMPRESS_FROM_BYTES: Final = 1024
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_FIRST: Final = "no-cache"
_INDEX: Final = "/index.html"
NOT_BUILT: Final = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Steptrail</title></head>
<body><h1>The page is not built</h1>
<p>This Steptrail serves its API at <a href="/api/v1/openapi.json">/api/v1</a>, but its page has not been built.
Run <code>make ui</code> in the source tree, or <code>npm ci &amp;&amp; npm run build</code> in
<code>services/gateway/ui</code>, then start again.</p></body></html>
"""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file, ready to be sent."""

    kept: bytes
    media_type: str
    etag: str
    cache_control: str
    to_compress: bool
    compressed: bool = False
    """Text is kept as browsers take it, once: the few that cannot read gzip wait until it is unpacked."""

    def as_kept(self) -> "PageFile":
        """The file as it is kept from its first use on."""
        if not self.to_compress:
            return self
        return replace(self, kept=gzip.compress(self.kept, 9, mtime=0), to_compress=False, compressed=True)

    def answer(self, headers: Headers) -> Response:
        """The whole file (ranges are not offered), or 304 when the browser has it."""
        fields = {"ETag": self.etag, "Cache-Control": self.cache_control, "Vary": "Accept-Encoding"}
        if self.etag in headers.get("if-none-match", "")[:1024]:
            return Response(status_code=304, headers=fields)
        if not self.compressed:
            return Response(self.kept, headers=fields, media_type=self.media_type)
        if "gzip" in headers.get("accept-encoding", "")[:1024]:
            return Response(self.kept, headers={**fields, "Content-Encoding": "gzip"}, media_type=self.media_type)
        return Response(gzip.decompress(self.kept), headers=fields, media_type=self.media_type)


class Page:
    """The files by their paths. What is not among them cannot be reached, however a path is spelt."""

    def __init__(self, files: Mapping[str, PageFile]) -> None:
        self._files = dict(files)

    @classmethod
    def read(cls, folder: Path) -> "Page":
        """Everything below a folder; a plain page that says how to build when there is nothing."""
        files = {}
        if (folder / "index.html").is_file():
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    address = "/" + str(PurePosixPath(path.relative_to(folder)))
                    files[address] = _prepared(address, path.read_bytes())
        return cls(files or {_INDEX: _prepared(_INDEX, NOT_BUILT)})

    def compress(self) -> None:
        """Every file that was not asked for yet, so that no request waits for it."""
        for path in self._files:
            self._kept(path)

    def _kept(self, path: str) -> PageFile | None:
        file = self._files.get(path)
        if file is not None and file.to_compress:
            file = self._files[path] = file.as_kept()
        return file

    def answer(self, method: str, path: str, headers: Headers) -> Response:
        """A file, or `index.html` for every address of the application that a browser opens."""
        if method not in ("GET", "HEAD"):
            return Response(status_code=405, headers={"Allow": "GET, HEAD"})
        file = self._kept(path)
        if file is None and "text/html" in headers.get("accept", "") and "." not in path.rsplit("/", 1)[-1]:
            file = self._kept(_INDEX)
        return file.answer(headers) if file is not None else Response("Not found", 404, media_type="text/plain")


def _prepared(address: str, body: bytes) -> PageFile:
    media_type = mimetypes.guess_type(address)[0] or "application/octet-stream"
    if address.endswith(".webmanifest"):
        media_type = "application/manifest+json"
    small = len(body) < _COMPRESS_FROM_BYTES or (not media_type.startswith(_TEXT) and media_type != "text/javascript")
    digest = hashlib.sha256(body).hexdigest()[:32]
    return PageFile(
        kept=body,
        to_compress=not small,
        media_type=f"{media_type}; charset=utf-8" if media_type.startswith(_TEXT) else media_type,
        etag=f'"{digest}"',
        cache_control=_FOR_EVER if _HASHED.match(address) else _ASK_FIRST,
    )


class PageFirst:
    """Sends `/api` and the health routes on to the application and answers all else from the page."""

    def __init__(self, app: ASGIApp, *, page: Page) -> None:
        self._app = app
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or belongs_to_api(scope["path"]):
            await self._app(scope, receive, send)
            return
        answer = self._page.answer(scope["method"], scope["path"], Headers(scope=scope))
        await answer(scope, receive, send)


def belongs_to_api(path: str) -> bool:
    return path in _NOT_PAGE or path.startswith(f"{API}/")
