"""The body of an API request, and its media type."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx2
from steptrail_common.contracts.checks import ApiCall
from steptrail_common.contracts.checks.api_call import Part

from steptrail_crawler.domain.address import invalid

Payload = tuple[bytes | None, str | None]


def payload_of(check: ApiCall, secrets: Mapping[str, str]) -> Payload:
    """(body, media type) or (None, None). `secrets`: fields to fill in. Raises `CheckFailed`."""
    if len(check.bodies()) > 1:
        raise invalid(f"write only one of {', '.join(check.bodies())}")
    if check.graphql is not None:
        document: dict[str, Any] = {"query": check.graphql.query, "variables": check.graphql.variables}
        if check.graphql.operation_name:
            document["operationName"] = check.graphql.operation_name
        return json.dumps(document).encode(), "application/json"
    if check.form is not None:
        return urlencode({**check.form, **secrets}, doseq=True).encode(), "application/x-www-form-urlencoded"
    if check.multipart is not None:
        return _multipart(check.multipart)
    if check.raw is not None:
        return _bytes(check.raw.text, check.raw.base64), check.raw.content_type
    if check.body is not None:
        if secrets and not isinstance(check.body, dict):
            raise invalid("secrets fill fields of a form or of a JSON object")
        body = {**check.body, **secrets} if secrets else check.body
        return json.dumps(body, ensure_ascii=False).encode(), "application/json"
    return None, None


def _multipart(parts: list[Part]) -> Payload:
    files = [(part.name, (part.filename, _bytes(part.text, part.base64), part.content_type)) for part in parts]
    request = httpx2.Request("POST", "http://localhost/", files=files)
    return request.read(), request.headers["content-type"]


def _bytes(text: str | None, encoded: str | None) -> bytes:
    if encoded is None:
        return (text or "").encode()
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("a body given as base64 is not base64") from error
