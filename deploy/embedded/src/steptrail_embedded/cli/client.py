"""How the command line talks to a server: address and token, plain requests, the live stream."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from steptrail_embedded.paths import DataFolder

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 60.0
STREAM_SILENCE_SECONDS = 40.0
"""The server sends a comment every 15 s: longer silence means that the connection is gone."""

EXIT_ERROR = 2
EXIT_USAGE = 3


class CommandFailed(Exception):
    """Ends the command with a message and an exit code (2: we could not, 3: wrong usage)."""

    def __init__(self, message: str, code: int = EXIT_ERROR) -> None:
        super().__init__(message)
        self.code = code


def server_and_token(data: Path) -> tuple[str, str]:
    """From STEPTRAIL_URL and STEPTRAIL_TOKEN, else what a local `steptrail up` left in its data folder."""
    url, token = os.environ.get("STEPTRAIL_URL"), os.environ.get("STEPTRAIL_TOKEN")
    if url and token:
        return url.rstrip("/"), token
    local = DataFolder(data).read_access()
    if local is None:
        raise CommandFailed(
            "No server is known. Start one with `steptrail up`, or set STEPTRAIL_URL and STEPTRAIL_TOKEN.", EXIT_USAGE
        )
    return (url or local["url"]).rstrip("/"), token or local["token"]


def problem_text(response: httpx2.Response) -> str:
    """A problem document as lines for a person: the detail, then each field with its fault."""
    try:
        problem = response.json()
    except ValueError:
        return f"HTTP {response.status_code} from {response.request.url}"
    lines = [str(problem.get("detail") or problem.get("title") or f"HTTP {response.status_code}")]
    for fault in problem.get("errors") or []:
        line = f" (line {fault['line']})" if fault.get("line") else ""
        lines.append(f"  {fault.get('path') or '(document)'}{line}: {fault.get('message')}")
    return "\n".join(lines)


class Client:
    """A signed-in connection to one server."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        timeout = httpx2.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        headers = {"Authorization": f"Bearer {token}", "User-Agent": "steptrail-cli"}
        self.http = httpx2.Client(base_url=f"{url}/api/v1", headers=headers, timeout=timeout)

    def request(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        """The answer, if it is below 400. Raises `CommandFailed` with the problem's text."""
        try:
            response = self.http.request(method, path, **kwargs)
        except httpx2.HTTPError as error:
            raise CommandFailed(f"{self.url} cannot be reached: {error}") from error
        if response.status_code >= 400:
            code = EXIT_USAGE if response.status_code in (400, 404, 409, 412, 413, 415, 422) else EXIT_ERROR
            raise CommandFailed(problem_text(response), code)
        return response

    def get(self, path: str, **params: Any) -> Any:
        """The JSON answer; parameters that are None are left out."""
        given = {name: value for name, value in params.items() if value is not None}
        return self.request("GET", path, params=given).json()

    def every(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page."""
        cursor = None
        while True:
            answer = self.get(path, cursor=cursor, **params)
            yield from answer["items"]
            cursor = answer.get("next_cursor")
            if cursor is None:
                return

    def events(self, run_id: str) -> Iterator[dict[str, Any]]:
        """Events of a run as they come; ends when the server closes the stream or falls silent.

        Yields `{"type": "reset"}` when the server asks to read the run again, and once when the stream stands.
        """
        timeout = httpx2.Timeout(STREAM_SILENCE_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        headers = {"Accept": "text/event-stream"}
        try:
            with self.http.stream(
                "GET", "/events", params={"run_id": run_id}, headers=headers, timeout=timeout
            ) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise CommandFailed(problem_text(answer))
                yield {"type": "reset"}
                yield from _parse_events(answer.iter_lines())
        except httpx2.HTTPError:
            return


def _parse_events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    name, data = "", []
    for line in lines:
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].strip())
        elif not line and (name or data):
            if name == "reset":
                yield {"type": "reset"}
            elif data:
                yield json.loads("\n".join(data))
            name, data = "", []
