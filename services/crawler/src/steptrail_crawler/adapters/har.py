"""The log of a browser's requests (HAR) as evidence, without credentials."""

import json
from collections.abc import Iterable
from typing import Any

from steptrail_checks.masking import MASK, Masker
from steptrail_checks.port import EvidenceDraft
from steptrail_common.contracts.model import Json

MAX_HAR_BYTES = 2 * 1024 * 1024
MAX_ENTRIES = 1000


def har_evidence(recorded: bytes, masker: Masker) -> EvidenceDraft | None:
    """The recorded log with secrets hidden; bodies are not in it. None for what is no HAR."""
    try:
        document = json.loads(recorded)
        entries = document["log"]["entries"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    kept = [_masked_entry(entry, masker) for entry in entries[:MAX_ENTRIES]]
    cut = len(kept) < len(entries)
    document["log"]["entries"] = kept
    body = _written(document)
    while len(body) > MAX_HAR_BYTES and kept:
        kept = kept[: len(kept) // 2]
        document["log"]["entries"], cut = kept, True
        body = _written(document)
    return EvidenceDraft("recording", "Requests of the browser (HAR)", "application/json", body, cut)


def _written(document: Json) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8", errors="replace")


def _masked_entry(entry: dict[str, Any], masker: Masker) -> dict[str, Any]:
    for side in (entry.get("request"), entry.get("response")):
        if not isinstance(side, dict):
            continue
        side["headers"] = _masked_headers(side.get("headers") or (), masker)
        side["cookies"] = [{**cookie, "value": MASK} for cookie in side.get("cookies") or ()]
        if isinstance(side.get("redirectURL"), str):
            side["redirectURL"] = masker.url(side["redirectURL"])
    request = entry.get("request")
    if isinstance(request, dict):
        request["url"] = masker.url(str(request.get("url", "")))
        request["queryString"] = [_masked_pair(pair, masker) for pair in request.get("queryString") or ()]
        posted = request.get("postData")
        if isinstance(posted, dict):
            text = str(posted.get("text") or "").encode("utf-8", errors="replace")
            posted["text"] = masker.body(text, str(posted.get("mimeType", ""))).decode("utf-8", errors="replace")
            posted["params"] = [_masked_pair(pair, masker) for pair in posted.get("params") or ()]
    return entry


def _masked_headers(headers: Iterable[dict[str, Any]], masker: Masker) -> list[dict[str, Any]]:
    return [
        {**pair, "value": masker.url(masker.header(str(pair.get("name", "")), str(pair.get("value", ""))))}
        for pair in headers
    ]


def _masked_pair(pair: dict[str, Any], masker: Masker) -> dict[str, Any]:
    name, value = str(pair.get("name", "")), str(pair.get("value", ""))
    return {**pair, "value": MASK if name.lower() in masker.keys else masker.text(value)}
