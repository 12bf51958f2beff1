"""Requests between services on real sockets."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from steptrail_common import errors
from steptrail_common.testing.process import free_port
from steptrail_common.web import ServiceClient

TOKEN = "t" * 40


class Listener:
    """Answers each request as its path says, and remembers what it was sent."""

    def __init__(self) -> None:
        self.connections = 0
        self.heard: list[bytes] = []
        self.url = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (line[15:] for line in head.lower().split(b"\r\n") if b"content-length" in line[:14]), b"0"
                )
                self.heard.append(head + await reader.readexactly(int(length)))
                if b"/silent" in head:
                    await asyncio.sleep(30)
                if b"/cut" in head:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                    return
                moved = b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
                writer.write(
                    moved if b"/moved" in head else b'HTTP/1.1 202 Accepted\r\nETag: "7"\r\nContent-Length: 2\r\n\r\n{}'
                )
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made, port = Listener(), free_port()
    server = await asyncio.start_server(made, "127.0.0.1", port)
    made.url = f"http://127.0.0.1:{port}"
    yield made
    server.close()


@pytest.fixture
async def client(listener: Listener) -> AsyncIterator[ServiceClient]:
    made = ServiceClient(listener.url, TOKEN, timeout_seconds=1)
    yield made
    await made.aclose()


async def test_what_is_sent_arrives_and_the_connection_is_used_again(client: ServiceClient, listener: Listener) -> None:
    """Path, query, token and body, spelled as they were given."""
    answer = await client.request("POST", "/runs/a%2Fb", json={"x": "ü"}, params={"key": "a b"})
    assert (answer.status_code, answer.headers["etag"], answer.json()) == (202, '"7"', {})
    await client.request("DELETE", "/runs/2")
    assert listener.connections == 1
    first, second = listener.heard
    assert first.startswith(b"POST /runs/a%2Fb?key=a%20b HTTP/1.1\r\n") or first.startswith(
        b"POST /runs/a%2Fb?key=a+b "
    )
    assert first.lower().count(b"\r\nhost:") == first.lower().count(b"\r\ncontent-length:") == 1
    assert f"authorization: bearer {TOKEN}".encode() in first.lower()
    assert first.endswith('{"x":"ü"}'.encode())
    assert second.startswith(b"DELETE /runs/2 HTTP/1.1\r\n")


@pytest.mark.req("NFR-008")
@pytest.mark.parametrize("path", ["/silent", "/cut"])
async def test_a_service_that_does_not_answer_wholly_is_unavailable(client: ServiceClient, path: str) -> None:
    with pytest.raises(errors.Unavailable, match=r"the service 127\.0\.0\.1 does not answer"):
        await client.get_json(path)


@pytest.mark.req("NFR-008")
async def test_a_service_that_is_not_there_is_unavailable() -> None:
    client = ServiceClient(f"http://127.0.0.1:{free_port()}", TOKEN)
    with pytest.raises(errors.Unavailable, match="ConnectError"):
        await client.get_json("/processes")
    await client.aclose()


async def test_no_redirect_is_followed(client: ServiceClient, listener: Listener) -> None:
    """Our services have none; a foreign answer sends nobody elsewhere with our token."""
    await client.request("GET", "/moved")
    assert len(listener.heard) == 1
