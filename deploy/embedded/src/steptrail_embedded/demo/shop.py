"""The shop itself: pages, a JSON API, a GraphQL endpoint, a SQLite order database and a bank folder."""

import asyncio
import html
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel

from steptrail_embedded.demo.orders import ORDERS, Order

API_KEY = "demo-shop-key"
"""The key the shop's API asks for: a demonstration of a sealed secret, not a secret of anyone's."""
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#1b2430}
dl{display:grid;grid-template-columns:10rem 1fr;gap:.4rem}dt{color:#667085}a{color:#2f5bd7}"""


def prepare_files(folder: Path) -> None:
    """Write the order database and the bank folder; existing files are replaced, so that their age starts anew."""
    (folder / "bank-out" / "invoices").mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / "erp.sqlite")) as database, database:
        database.executescript(
            """create table if not exists invoices (
                 order_no text primary key, invoice_no text, status text, amount_cents integer, iban text);
               create table if not exists orders (order_no text primary key, placed_at text, state text);
               create table if not exists bank_files (order_no text primary key);
               delete from invoices; delete from orders; delete from bank_files;"""
        )
        database.executemany(
            "insert into invoices values (?, ?, 'BOOKED', ?, 'DE02120300000000202051')",
            [(order.number, order.invoice, order.total_cents) for order in ORDERS.values() if order.invoice],
        )
        now = datetime.now(UTC)
        database.executemany(
            "insert into orders values (?, ?, ?)",
            [(order.number, (now - order.age).isoformat(), order.state) for order in ORDERS.values()],
        )
        delivered = [(order.number,) for order in ORDERS.values() if order.file_delivered]
        database.executemany("insert into bank_files values (?)", delivered)
    for order in ORDERS.values():
        if order.file_delivered:
            deliver(folder, order)
    stock = "\n".join(f"SKU-{number:04};{(number * 7) % 50}" for number in range(1, 201))
    (folder / "bank-out" / "stock.csv").write_text(f"sku;quantity\n{stock}\n")


def deliver(folder: Path, order: Order) -> None:
    """Put an order's invoice file into the bank folder."""
    amount = f"{order.total_cents / 100:.2f}"
    body = f'<?xml version="1.0"?>\n<invoice number="{order.invoice}" order="{order.number}" amount="{amount}"/>\n'
    (folder / "bank-out" / "invoices" / f"{order.invoice}.xml").write_text(body)


def page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style><body><h1>{html.escape(title)}</h1>{body}</body></html>"
    )


class GraphQLRequest(BaseModel):
    query: str
    variables: dict[str, Any] = {}


class Shop:
    """What the shop knows while it runs: when it opened, how often a flaky order was asked for, what is locked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened_at = datetime.now(UTC)
        self.asked: Counter[str] = Counter()
        self.locks: set[str] = set()

    def placed_at(self, order: Order) -> datetime:
        return (datetime.now(UTC) if order.moving else self.opened_at) - order.age

    def find(self, number: str) -> Order:
        if number not in ORDERS:
            raise HTTPException(404, f"There is no order {number}")
        return ORDERS[number]

    def answers(self, order: Order) -> bool:
        """A flaky order refuses a few requests before it answers, then starts over."""
        if order.failures_before_answer == 0:
            return True
        self.asked[order.number] += 1
        return self.asked[order.number] % (order.failures_before_answer + 1) == 0

    def describe(self, order: Order) -> dict[str, Any]:
        return {
            "order_id": order.number,
            "customer": order.customer,
            "state": order.state,
            "total": {"amount": order.total_cents / 100, "currency": "EUR"},
            "placed_at": self.placed_at(order).isoformat(timespec="seconds"),
        }


def build_shop(folder: Path) -> FastAPI:
    """The shop's web application. Its files are below `folder` (see `prepare_files`)."""
    shop = Shop(folder)
    app = FastAPI(title="Demo shop", openapi_url=None)
    _pages(app, shop)
    _api(app, shop)
    _graphql(app)
    return app


def _pages(app: FastAPI, shop: Shop) -> None:
    @app.get("/robots.txt")
    async def robots() -> Response:
        return Response("User-agent: *\nDisallow: /checkout\n", media_type="text/plain")

    @app.get("/")
    async def home() -> HTMLResponse:
        links = "".join(f'<li><a href="/orders/{number}">Order {number}</a></li>' for number in ORDERS)
        return page("Demo shop", f'<p class="status">Open for business</p><ul>{links}</ul>')

    @app.get("/orders/{number}")
    async def order_page(number: str) -> HTMLResponse:
        if number not in ORDERS:
            missing = page("Order not found", f"<p>There is no order {html.escape(number)}.</p>")
            missing.status_code = 404
            return missing
        order = ORDERS[number]
        await asyncio.sleep(order.page_delay_seconds)
        facts = shop.describe(order)
        return page(
            f"Order {number}",
            f'<dl><dt>Order</dt><dd class="order-number">{number}</dd><dt>Customer</dt>'
            f'<dd class="customer">{html.escape(order.customer)}</dd><dt>State</dt><dd class="state">{order.state}</dd>'
            f'<dt>Total</dt><dd class="total">{facts["total"]["amount"]:.2f} EUR</dd></dl>',
        )


def _api(app: FastAPI, shop: Shop) -> None:
    @app.middleware("http")
    async def ask_for_the_key(request: Any, call_next: Any) -> Any:
        if request.url.path.startswith("/api/") and request.headers.get("x-api-key") != API_KEY:
            return JSONResponse({"error": "X-API-Key is missing or wrong"}, 401)
        return await call_next(request)

    @app.get("/api/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/api/orders/{number}")
    async def order(number: str) -> Any:
        found = shop.find(number)
        if not shop.answers(found):
            return JSONResponse({"error": "overloaded, try again"}, 503, headers={"Retry-After": "1"})
        return shop.describe(found)

    @app.get("/api/bank/{invoice}")
    async def bank(invoice: str) -> dict[str, str]:
        if not (shop.folder / "bank-out" / "invoices" / f"{Path(invoice).name}.xml").exists():
            raise HTTPException(404, "The bank has not seen this invoice")
        return {"invoice": invoice, "status": "ACCEPTED"}

    @app.put("/api/locks/{number}", status_code=204)
    async def lock(number: str) -> None:
        shop.locks.add(number)

    @app.delete("/api/locks/{number}", status_code=204)
    async def unlock(number: str) -> None:
        shop.locks.discard(number)


def _graphql(app: FastAPI) -> None:
    @app.post("/graphql")
    async def graphql(request: GraphQLRequest) -> dict[str, Any]:
        number = str(request.variables.get("order", ""))
        if "payment" not in request.query:
            return {"data": None, "errors": [{"message": "The only field is payment(order)"}]}
        if number not in ORDERS:
            return {"data": {"payment": None}, "errors": [{"message": f"There is no order {number}"}]}
        found = ORDERS[number]
        captured = found.state in ("PAID", "SHIPPED")
        return {"data": {"payment": {"captured": captured, "amount": found.total_cents / 100, "method": "card"}}}
