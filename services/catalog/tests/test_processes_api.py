"""Processes through the API of the whole catalog, on MongoDB and SQLite."""

import asyncio
import json
from typing import Any

import pytest

ORDERS: dict[str, Any] = {
    "version": 1,
    "process": "orders",
    "name": "Orders",
    "steps": [{"id": "page", "name": "Page", "check": {"type": "web_crawl", "url": "https://shop.example.com/"}}],
}


def orders(**about: Any) -> dict[str, Any]:
    return ORDERS | about


@pytest.mark.req("FR-005")
async def test_yaml_and_json_are_the_same_document(catalog: Any) -> None:
    """What was sent as YAML is kept letter by letter; what was sent as JSON has YAML as well."""
    text = (
        "# by hand\nversion: 1\nprocess: by-yaml\nname: Orders\nsteps:\n"
        "  - {id: page, name: Page, check: {type: web_crawl, url: https://shop.example.com/}}\n"
    )
    answer = await catalog.create(text)
    view = answer.json()
    assert view["source_yaml"] == text
    assert view["document"] == orders(process="by-yaml")
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == "/processes/by-yaml"
    sent = await catalog.api.post("/processes", json=orders())
    assert sent.status_code == 201
    as_yaml = await catalog.api.get("/processes/orders", headers={"Accept": "application/yaml"})
    assert as_yaml.headers["content-type"].startswith("application/yaml")
    assert as_yaml.text.startswith("version: 1\nprocess: orders\n")
    assert sent.json()["definition"]["steps"] == view["definition"]["steps"]


@pytest.mark.req("FR-005")
async def test_every_save_is_a_revision_with_its_author(catalog: Any) -> None:
    """And any of them can be restored as the newest."""
    await catalog.create()
    changed = orders(name="Changed")
    answer = await catalog.api.put(
        "/processes/orders", json=changed, headers={"If-Match": '"1"', "X-Steptrail-Actor": "bob"}
    )
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    restored = await catalog.api.post("/processes/orders/revisions/1/restore", headers={"If-Match": '"2"'})
    assert restored.json()["name"] == "Orders"
    listed = (await catalog.api.get("/processes/orders/revisions")).json()["items"]
    assert [(item["revision"], item["saved_by"], item["restored_from"]) for item in listed] == [
        (3, "ada", 1),
        (2, "bob", None),
        (1, "ada", None),
    ]
    second = (await catalog.api.get("/processes/orders/revisions/2")).json()
    assert second["document"] == changed
    page = (await catalog.api.get("/processes/orders/revisions", params={"limit": 2})).json()
    rest = await catalog.api.get("/processes/orders/revisions", params={"cursor": page["next_cursor"]})
    assert [item["revision"] for item in rest.json()["items"]] == [1]


async def test_the_second_of_two_savers_is_told(catalog: Any) -> None:
    """412 when the revision is not the newest any more, 428 without one, 409 when the id is taken."""
    await catalog.create()
    saves = [
        catalog.api.put("/processes/orders", json=orders(name=f"N{n}"), headers={"If-Match": '"1"'}) for n in range(5)
    ]
    assert sorted(answer.status_code for answer in await asyncio.gather(*saves)) == [200, 412, 412, 412, 412]
    late = await catalog.api.put("/processes/orders", json=orders(), headers={"If-Match": '"1"'})
    assert late.status_code == 412
    assert late.json()["type"] == "/problems/stale"
    assert (await catalog.api.put("/processes/orders", json=orders())).status_code == 428
    assert (await catalog.api.put("/processes/orders", json=orders(), headers={"If-Match": "7"})).status_code == 422
    assert (await catalog.api.put("/processes/orders", json=orders(), headers={"If-Match": "*"})).status_code == 200
    assert (await catalog.api.post("/processes", json=orders())).status_code == 409
    assert (await catalog.api.delete("/processes/orders", headers={"If-Match": '"1"'})).status_code == 412
    assert (
        await catalog.api.post("/processes/orders/revisions/1/restore", headers={"If-Match": '"1"'})
    ).status_code == 412


async def test_the_id_of_a_process_never_changes(catalog: Any) -> None:
    """Its history hangs on it."""
    await catalog.create()
    answer = await catalog.api.put("/processes/orders", json=orders(process="other"), headers={"If-Match": '"1"'})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "process"


@pytest.mark.req("NFR-018")
async def test_an_unchanged_process_is_not_sent_again(catalog: Any) -> None:
    """304 for the ETag that the reader has."""
    etag = (await catalog.create()).headers["etag"]
    answer = await catalog.api.get("/processes/orders", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert (await catalog.api.get("/processes/orders", headers={"If-None-Match": '"2"'})).status_code == 200


@pytest.mark.req("NFR-012")
async def test_what_is_wrong_is_named_with_place_and_line(catalog: Any) -> None:
    """The same faults when saving (422) and when only validating (200)."""
    text = (
        "version: 1\nprocess: orders\nname: Orders\nsteps:\n"
        "  - id: page\n    nam: Page\n    check: {type: web_crawl, url: file:///etc/passwd}\n"
    )
    headers = {"Content-Type": "application/yaml"}
    refused = await catalog.api.post("/processes", content=text.encode(), headers=headers)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert {"path": "steps[0].nam", "message": "unknown key; did you mean `name`?", "line": 6} in refused.json()[
        "errors"
    ]
    report = await catalog.api.post("/processes/validate", content=text.encode(), headers=headers)
    assert report.status_code == 200
    assert report.json()["valid"] is False
    assert report.json()["errors"] == refused.json()["errors"]
    good = await catalog.api.post("/processes/validate", json=orders())
    assert good.json()["valid"] is True
    assert good.json()["definition"]["steps"][0]["id"] == "page"
    for broken in (b"{", b'{"a": 1, "a": 2}', b"\xff\xfe"):
        answer = await catalog.api.post(
            "/processes/validate", content=broken, headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, answer.json()["valid"]) == (200, False)


async def test_other_content_types_are_refused(catalog: Any) -> None:
    """415, whatever the body is."""
    for given in ("text/plain", "application/xml", "multipart/form-data; boundary=x"):
        answer = await catalog.api.post("/processes", content=b"version: 1", headers={"Content-Type": given})
        assert answer.status_code == 415


async def test_unknown_things_are_not_found(catalog: Any) -> None:
    """Ids and numbers of every kind, without an error of ours."""
    await catalog.create()
    for path in ("nothing", "0", "-1", "%7B%22$gt%22:1%7D", "a%00b", "x" * 3000):
        assert (await catalog.api.get(f"/processes/{path}")).status_code == 404, path
        assert (await catalog.api.delete(f"/processes/{path}")).status_code == 404, path
        assert (await catalog.api.post("/snapshots", json={"process_id": "nothing"})).status_code == 404
    for number in ("0", "-1", "9", "9223372036854775808", "1.5", "x", "²"):
        assert (await catalog.api.get(f"/processes/orders/revisions/{number}")).status_code == 404, number
        assert (await catalog.api.post(f"/processes/orders/revisions/{number}/restore")).status_code == 404, number


@pytest.mark.req("FR-001")
async def test_the_list_is_paged_filtered_and_counted(catalog: Any) -> None:
    """By every filter of the page; the cursor cannot be changed by hand."""
    for number in range(7):
        category = "sales" if number % 2 else "buying"
        await catalog.create(
            json.dumps(
                orders(process=f"p{number}", name=f"Process {number}", category=category, tags=[f"t{number % 3}"])
            )
        )
    seen, cursor = [], None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await catalog.api.get("/processes", params=params)).json()
        seen += [item["process_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"p{number}" for number in range(7)]

    async def found(**params: Any) -> list[str]:
        answer = await catalog.api.get("/processes", params=params)
        assert answer.status_code == 200, answer.text
        return [item["process_id"] for item in answer.json()["items"]]

    assert await found(q="process 3") == ["p3"]
    assert await found(category="sales") == ["p1", "p3", "p5"]
    assert await found(tag=["t0"]) == ["p0", "p3", "p6"]
    assert await found(ids="p1,p2") == await found(ids=["p1", "p2"]) == ["p1", "p2"]
    assert await found(active="false") == []
    facets = (await catalog.api.get("/facets")).json()
    assert facets["categories"] == [{"value": "buying", "count": 4}, {"value": "sales", "count": 3}]
    page = (await catalog.api.get("/processes", params={"limit": 1})).json()
    for wrong in (page["next_cursor"][:-2] + "AA", "x", "é", "a" * 900):
        assert (await catalog.api.get("/processes", params={"cursor": wrong})).status_code == 422
    elsewhere = await catalog.api.get("/connections", params={"cursor": page["next_cursor"]})
    assert elsewhere.status_code == 422
    for params in ({"limit": 0}, {"limit": 10**9}, {"offset": 1}, {"q": "a\x00"}, {"ids": "x," * 500 + "y"}):
        assert (await catalog.api.get("/processes", params=params)).status_code in (200, 422)
    assert (await catalog.api.get("/processes", params={"categroy": "x"})).status_code == 422


@pytest.mark.req("IR-9")
async def test_each_save_and_delete_is_told(catalog: Any) -> None:
    """As CloudEvents on the topic of the process, with what consumers need to know of it."""
    await catalog.create()
    await catalog.api.put("/processes/orders", json=orders(active=False), headers={"If-Match": '"1"'})
    await catalog.api.delete("/processes/orders")
    saved = await catalog.told_of("process.saved", 2)
    deleted = await catalog.told_of("process.deleted")
    assert [event.data["revision"] for event in saved] == [1, 2]
    assert saved[0].data["steps"] == [{"step_id": "page", "number": 1, "name": "Page", "check_type": "web_crawl"}]
    assert (saved[0].data["category"], saved[0].data["tags"], saved[0].data["by"]) == (
        "sales",
        ["critical", "demo"],
        "ada",
    )
    assert saved[1].data["active"] is False
    assert deleted[0].subject == "orders"
    assert catalog.topics == ["process.saved.orders", "process.saved.orders", "process.deleted.orders"]
    assert len({event.id for event in catalog.told}) == 3


@pytest.mark.req("IR-9")
async def test_a_process_made_again_is_told_as_a_new_fact(catalog: Any) -> None:
    """Its revisions go on, so no consumer takes the event for one it knows."""
    await catalog.create()
    await catalog.api.delete("/processes/orders")
    assert (await catalog.create()).json()["revision"] == 2
    assert (await catalog.told_of("process.saved", 2))[1].data["revision"] == 2
    assert len({event.id for event in catalog.told}) == 3


async def test_a_process_needs_the_connections_it_names(catalog: Any) -> None:
    """Unless it is inactive; a connection of another kind is refused always."""
    query = {"type": "db_query", "connection": "erp", "query": "select 1"}
    wanting = orders(steps=[{"id": "rows", "name": "Rows", "check": query}])
    refused = await catalog.api.post("/processes", json=wanting)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["path"] == "steps[0].check.connection"
    report = (await catalog.api.post("/processes/validate", json=wanting | {"active": False})).json()
    assert (report["valid"], report["warnings"][0]["path"]) == (True, "steps[0].check.connection")
    assert (await catalog.api.post("/processes", json=wanting | {"active": False})).status_code == 201
    assert (await catalog.api.post("/snapshots", json={"process_id": "orders"})).status_code == 409
    shop = {"kind": "http", "base_url": "https://shop.example.com"}
    assert (await catalog.connect("erp", settings=shop)).status_code == 201
    kind = await catalog.api.put("/processes/orders", json=wanting, headers={"If-Match": '"1"'})
    assert "of kind http" in kind.json()["errors"][0]["message"]


@pytest.mark.req("FR-017")
async def test_the_queries_of_the_stuck_board_find_their_connection(catalog: Any) -> None:
    """Also where no check names it: saved, validated and as a draft; a missing one is named with its place."""
    keys = {"connection": "erp", "query": "select number from orders"}
    first = orders()["steps"][0]
    board = orders(population=keys, steps=[first | {"set": keys}])
    refused = (await catalog.api.post("/processes/validate", json=board)).json()
    assert {error["path"] for error in refused["errors"]} == {"population.connection", "steps[0].set.connection"}
    await catalog.connect(secrets={"password": "canary"})
    assert (await catalog.api.post("/processes/validate", json=board)).json()["errors"] == []
    draft = await catalog.api.post("/snapshots/draft", json=board)
    assert (draft.status_code, set(draft.json()["connections"])) == (200, {"erp"})
    assert (await catalog.api.post("/processes", json=board)).status_code == 201


async def test_a_snapshot_holds_all_that_a_run_needs(catalog: Any) -> None:
    """The definition and each connection with its ciphertext, of any revision; a draft is revision 0."""
    await catalog.connect(secrets={"password": "canary"})
    query = {"type": "db_query", "connection": "erp", "query": "select 1"}
    first = orders(steps=[{"id": "rows", "name": "Rows", "check": query, "assert": [{"rows": {"eq": 1}}]}])
    await catalog.create(json.dumps(first))
    await catalog.api.put("/processes/orders", json=orders(), headers={"If-Match": '"1"'})
    newest = (await catalog.api.post("/snapshots", json={"process_id": "orders"})).json()
    assert (newest["revision"], newest["connections"]) == (2, {})
    older = (await catalog.api.post("/snapshots", json={"process_id": "orders", "revision": 1})).json()
    assert older["definition"]["steps"][0]["assert"][0]["subject"] == "rows"
    assert set(older["connections"]["erp"]["sealed"]) == {"password"}
    draft = (await catalog.api.post("/snapshots/draft", json=first)).json()
    assert (draft["revision"], draft["connections"]) == (0, older["connections"])
    wrong = await catalog.api.post("/snapshots/draft", json={"version": 1})
    assert wrong.status_code == 422
    assert {error["path"] for error in wrong.json()["errors"]} == {"process", "name", "steps"}


@pytest.mark.req("FR-003")
async def test_a_plan_lists_what_a_run_would_touch(catalog: Any) -> None:
    """Of the saved process, of a draft in its place, and of a draft alone."""
    await catalog.connect(secrets={"password": "canary"})
    await catalog.create()
    saved = (await catalog.api.post("/processes/orders/plan", json={"inputs": {"order_id": "4711"}})).json()
    assert saved["items"] == [
        {
            "step_id": "page",
            "step_number": 1,
            "kind": "host",
            "target": "shop.example.com:443",
            "detail": "GET https://shop.example.com/4711",
        }
    ]
    query = {"type": "db_query", "connection": "erp", "query": "select 1"}
    draft = orders(steps=[{"id": "rows", "name": "Rows", "check": query}])
    for path in ("/processes/orders/plan", "/processes/plan"):
        planned = (await catalog.api.post(path, json={"document": draft})).json()
        assert [(item["kind"], item["target"]) for item in planned["items"]] == [
            ("host", "db.example.com:5432"),
            ("statement", "select 1"),
            ("secret", "erp.password"),
        ]
    assert (await catalog.api.post("/processes/plan", json={})).status_code == 422


async def test_strangers_get_nothing(catalog: Any) -> None:
    """Every route but health needs the service token."""
    for path in ("/processes", "/connections", "/facets", "/processes/orders"):
        answer = await catalog.api.get(path, headers={"Authorization": "Bearer wrong"})
        assert answer.status_code == 401
    ready = await catalog.api.get("/readyz", headers={"Authorization": ""})
    assert ready.json() == {"status": "ready", "parts": {"store": "ok", "broker": "ok"}}


async def test_the_schema_of_the_format_is_served(catalog: Any) -> None:
    """The same document that is generated into `docs/schemas`, for the editor's completion and forms."""
    schema = (await catalog.api.get("/schemas/process")).json()
    assert schema["title"] == "Steptrail process"
    assert {"api_call", "db_query", "file_check", "web_crawl"} <= set(
        schema["$defs"]["Step"]["properties"]["check"]["discriminator"]["mapping"]
    )
