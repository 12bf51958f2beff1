"""The target of the checks' benchmarks: one page and one JSON answer, from a process of its own."""

import asyncio
import json
import sys

ROWS = "".join(f"<tr><td class=item>Item {number}</td><td>{number * 7 % 101}.00</td></tr>" for number in range(200))
PAGE = (
    "<!doctype html><html lang=en><head><meta charset=utf-8><title>Order 4711</title></head>"
    f"<body><h1 class=number>4711</h1><p class=state>SHIPPED</p><table>{ROWS}</table></body></html>"
).encode()
ORDER = json.dumps(
    {"order": "4711", "state": "SHIPPED", "lines": [{"sku": f"A{number}", "count": number} for number in range(50)]}
).encode()
ANSWERS = {
    "/page": (b"text/html; charset=utf-8", PAGE),
    "/order": (b"application/json", ORDER),
    "/robots.txt": (b"text/plain", b"User-agent: *\nAllow: /\n"),
}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers GET until the client leaves."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode().split("?")[0]
            kind, body = ANSWERS.get(path, (b"text/plain", b"nothing here"))
            status = b"200 OK" if path in ANSWERS else b"404 Not Found"
            writer.write(
                b"HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s" % (status, kind, len(body), body)
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
