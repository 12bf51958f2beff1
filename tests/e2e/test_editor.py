"""The editor as its people use it: in Chromium, with mouse and keyboard, against the embedded product."""

import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from .browsing import axe_faults, browsing, person
from .product import Product
from .topologies import embedded

"""One process of the tests runs them all: the product is started once."""

WAIT_MS = 30_000
SHOP = "demo-shop"
ORDERS = "demo-order-service"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The embedded product with the demo: the editor asks the same API in both topologies."""
    with embedded(tmp_path_factory.mktemp("editor")) as running:
        yield running


@pytest.fixture
def page(demo: Product, browser: Browser) -> Iterator[Page]:
    """A signed-in page; it fails the test when the page breaks or asks another origin for something."""
    with browsing(demo, browser, overview=False, reduced_motion="reduce") as page:
        yield page


def definition(process: str, *, steps: int = 2) -> str:
    """Steps that look at the pages of the demo shop."""
    text = f"version: 1\nprocess: {process}\nname: {process}\n\nsteps:\n"
    for number in range(1, steps + 1):
        text += (
            f"  # why step {number} is here\n  - id: step_{number}\n    name: Step {number}\n"
            f"    check: {{type: web_crawl, connection: {SHOP}, path: /orders/471{number}}}\n"
        )
    return text


def saved(demo: Product, *, steps: int = 2, text: str | None = None) -> str:
    """A process of its own for one test; its id."""
    process = f"edited-{secrets.token_hex(4)}"
    with demo.client() as client:
        content = (text or definition(process, steps=steps)).replace("PROCESS", process)
        answer = client.post("/processes", content=content, headers={"Content-Type": "application/yaml"})
        assert answer.status_code == 201, answer.text
    return process


def stored(demo: Product, process: str) -> Any:
    with demo.client() as client:
        answer = client.get(f"/processes/{process}")
        assert answer.status_code == 200, answer.text
        return answer.json()


def edit(page: Page, process: str) -> None:
    page.goto(f"/processes/{process}/edit")
    no_faults(page)


def yaml(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Definition as YAML")


def type_yaml(page: Page, text: str) -> None:
    """Replace the whole text, as somebody does who pastes a definition."""
    yaml(page).click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def no_faults(page: Page) -> None:
    """The server has looked through the text as it stands."""
    faults = page.get_by_role("status", name="Faults")
    expect(faults).to_contain_text("No faults", timeout=WAIT_MS)


def steps(page: Page) -> Locator:
    return page.get_by_test_id("step")


def names(page: Page) -> list[str]:
    return [step.locator("b").first.inner_text() for step in steps(page).all()]


def open_step(page: Page, name: str) -> None:
    """Open it, unless the cursor in the text has opened it already."""
    step = steps(page).filter(has_text=name)
    if step.get_by_role("button", expanded=True).count() == 0:
        step.get_by_role("button", expanded=False).click()
    expect(step.get_by_label("Kind of check")).to_be_visible()


def save(page: Page, revision: int) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status", name="Saved")).to_contain_text(f"Revision {revision},", timeout=WAIT_MS)
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()


@pytest.mark.req("FR-005")
def test_a_process_is_made_from_nothing_through_the_form(demo: Product, page: Page) -> None:
    """New process, a template, names and addresses typed, a real answer clicked into an assertion, planned, run."""
    page.goto("/processes")
    page.get_by_role("link", name="New process", exact=True).click()
    page.get_by_role("button", name="One step").click()
    name = f"Shop answers {secrets.token_hex(3)}"
    form = page.get_by_role("group", name="Form")
    form.get_by_role("region", name="Process").get_by_label("Name").fill(name)
    process = name.lower().replace(" ", "-")
    expect(form.get_by_role("region", name="Process").get_by_label("Id")).to_have_value(process)

    form.get_by_label("Kind of check").select_option("api_call")
    check = form.get_by_role("region", name="Check", exact=True)
    check.get_by_label("Connection").fill(ORDERS)
    check.get_by_label("URL").fill("")
    check.get_by_label("Path").fill("/orders/4712")
    expect(yaml(page)).to_contain_text("path: /orders/4712")
    no_faults(page)

    page.get_by_role("button", name="Try this step").click()
    expect(page.get_by_test_id("tried")).to_contain_text("It holds", timeout=WAIT_MS)
    page.get_by_role("button", name="Marta Lindqvist").or_(page.get_by_role("button", name="EUR")).first.click()
    page.get_by_role("button", name="Assert this").click()
    expect(page.get_by_role("group", name="Assertion 2")).to_be_visible()
    page.get_by_role("button", name=re.compile("^SHIPPED|^PAID")).first.click()
    page.get_by_role("button", name="Capture as state").click()
    expect(yaml(page)).to_contain_text("state: {jsonpath: $.state}")
    no_faults(page)

    page.get_by_role("button", name="Plan").click()
    plan = page.get_by_role("dialog", name="Plan")
    expect(plan.get_by_role("region", name="Hosts it asks")).to_contain_text("/orders/4712", timeout=WAIT_MS)
    expect(plan.get_by_role("region", name="Secrets it uses")).to_contain_text(ORDERS)
    page.keyboard.press("Escape")

    save(page, 1)
    step = stored(demo, process)["document"]["steps"][0]
    assert len(step["assert"]) == 2
    assert step["capture"] == {"state": {"jsonpath": "$.state"}}
    page.get_by_role("navigation", name="Where you are").get_by_role("link", name=name, exact=True).click()
    page.get_by_role("button", name="Check", exact=False).first.click()
    page.get_by_role("button", name="Start check").click()
    expect(page.get_by_test_id("verdict")).to_contain_text("passed", timeout=WAIT_MS, ignore_case=True)


@pytest.mark.req("FR-005")
def test_yaml_and_form_are_one(demo: Product, page: Page) -> None:
    """What is typed as YAML stands in the form, what the form changes leaves comments alone, and both can be undone."""
    process = saved(demo)
    edit(page, process)
    type_yaml(page, definition(process).replace("Step 2", "Typed as text"))
    expect(steps(page).nth(1)).to_contain_text("Typed as text")
    open_step(page, "Typed as text")
    steps(page).nth(1).get_by_label("Name").fill("Typed in the form")
    expect(yaml(page)).to_contain_text("name: Typed in the form")
    expect(yaml(page)).to_contain_text("# why step 2 is here")
    page.get_by_role("button", name="Undo").first.click()
    expect(yaml(page)).to_contain_text("name: Typed as text")
    page.get_by_role("button", name="Redo").click()
    expect(yaml(page)).to_contain_text("name: Typed in the form")
    save(page, 2)
    assert "# why step 2 is here" in stored(demo, process)["source_yaml"]


@pytest.mark.req("NFR-012")
def test_a_fault_stands_at_its_line_and_at_its_field(demo: Product, page: Page) -> None:
    """An unknown key names its line and the nearest key; the form waits for text that can be read; nothing is saved."""
    process = saved(demo)
    edit(page, process)
    type_yaml(page, definition(process) + "    tiemout: 5s\n")
    faults = page.get_by_role("status", name="Faults")
    expect(faults).to_contain_text("line 14", timeout=WAIT_MS)
    expect(faults).to_contain_text("timeout")
    expect(steps(page).nth(1)).to_contain_text("1 fault")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("Not saved")
    type_yaml(page, "steps: [\n")
    expect(page.get_by_text("The form waits until the YAML can be read")).to_be_visible()
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    assert stored(demo, process)["revision"] == 1


def test_keys_are_completed_from_the_schema(demo: Product, page: Page) -> None:
    """Ctrl+Space offers the keys that fit; one is taken."""
    process = saved(demo)
    edit(page, process)
    type_yaml(page, definition(process) + "    on_fail")
    page.keyboard.press("Control+Space")
    page.get_by_role("option", name=re.compile("^on_failure")).first.click()
    expect(yaml(page)).to_contain_text("on_failure: ")


@pytest.mark.req("FR-005")
def test_steps_are_reordered_by_keyboard_and_by_drag(demo: Product, page: Page) -> None:
    """Arrow keys on the handle and the mouse do the same; comments go along; a deletion can be undone."""
    process = saved(demo, steps=3)
    edit(page, process)
    page.get_by_role("button", name="Move Step 1").focus()
    page.keyboard.press("ArrowDown")
    expect(steps(page).nth(1)).to_contain_text("Step 1")
    expect(page.get_by_role("button", name="Move Step 1")).to_be_focused()
    page.keyboard.press("End")
    expect(steps(page).nth(2)).to_contain_text("Step 1")
    assert names(page) == ["Step 2", "Step 3", "Step 1"]

    handle = page.get_by_role("button", name="Move Step 1").bounding_box()
    target = steps(page).nth(0).bounding_box()
    assert handle
    assert target
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(target["x"] + 20, target["y"] + 12, steps=8)
    page.mouse.up()
    expect(steps(page).nth(0)).to_contain_text("Step 1")
    assert names(page) == ["Step 1", "Step 2", "Step 3"]
    expect(yaml(page)).to_contain_text("# why step 1 is here")

    open_step(page, "Step 2")
    page.get_by_role("button", name="Duplicate").click()
    expect(steps(page)).to_have_count(4)
    page.get_by_role("button", name="Delete").click()
    expect(steps(page)).to_have_count(3)
    page.get_by_role("status", name="Done").get_by_role("button", name="Undo").click()
    expect(steps(page)).to_have_count(4)
    no_faults(page)
    save(page, 2)
    assert [step["id"] for step in stored(demo, process)["document"]["steps"]] == [
        "step_1",
        "step_2",
        "step_4",
        "step_3",
    ]


REFERRING = """version: 1
process: PROCESS
name: Refers
steps:
  # steps.order.state is asked for below
  - id: order
    name: First
    check: {type: api_call, connection: demo-order-service, path: /orders/4712}
    capture: {state: {jsonpath: $.state}}
  - id: again
    name: Again
    description: compares with steps.order.state
    check: {type: api_call, connection: demo-order-service, path: /orders/4712}
    assert:
      - {jsonpath: $.state, eq: "${{ steps.order.state }}"}
"""


@pytest.mark.req("FR-005")
def test_a_changed_id_of_a_step_changes_what_refers_to_it(demo: Product, page: Page) -> None:
    """A wrong id says so and changes nothing; a right one changes expressions, not words; one undo takes it back."""
    process = saved(demo, text=REFERRING)
    edit(page, process)
    open_step(page, "First")
    field = steps(page).nth(0).get_by_label("Id", exact=True)
    for wrong in ("Bad id", "again"):
        field.fill(wrong)
        expect(field).to_have_attribute("aria-invalid", "true")
        field.press("Enter")
        expect(field).to_have_value("order")
    field.fill("sale")
    expect(steps(page).nth(0)).to_contain_text("begin anew")
    field.press("Enter")
    expect(page.get_by_role("status", name="Done")).to_contain_text("also in 1 place")
    wanted = REFERRING.replace("PROCESS", process).replace("id: order", "id: sale")
    wanted = wanted.replace("${{ steps.order.state }}", "${{ steps.sale.state }}")
    expect(yaml(page)).to_contain_text("${{ steps.sale.state }}")
    page.get_by_role("status", name="Done").get_by_role("button", name="Undo").click()
    expect(yaml(page)).to_contain_text("${{ steps.order.state }}")
    expect(field).to_have_value("order")
    page.get_by_role("button", name="Redo").click()
    expect(yaml(page)).to_contain_text("${{ steps.sale.state }}")
    no_faults(page)
    save(page, 2)
    assert stored(demo, process)["source_yaml"] == wanted
    assert demo.check(process)["status"] == "success"


NAMED = """version: 1
process: PROCESS
name: Names that others take
inputs:
  order_id: {type: string, example: "4712"} # asked for
vars: {place: orders}
steps:
  - id: order
    name: First
    check: {type: web_crawl, connection: demo-shop, path: "/${{ vars.place }}/${{ inputs.order_id }}"}
    capture:
      number: {selector: .order-number}
  - id: again
    name: Second
    check: {type: web_crawl, connection: demo-shop, path: "/orders/${{ steps.order.number }}"}
    assert:
      - {selector: .order-number, text: {eq: "${{ inputs.order_id }}"}}
"""


@pytest.mark.req("FR-005")
def test_a_changed_name_changes_whatever_takes_it(demo: Product, page: Page) -> None:
    """An input, a variable and a capture in the form: expressions follow, comments and order stay, and it runs."""
    process = saved(demo, text=NAMED)
    edit(page, process)
    done = page.get_by_role("status", name="Done")
    about = page.get_by_role("region", name="Process", exact=True)
    about.get_by_text("Inputs and variables").click()
    about.get_by_role("group").get_by_text("order_id", exact=True).first.click()
    name = about.get_by_label("Name", exact=True).last
    name.fill("order_no")
    name.press("Enter")
    expect(done).to_contain_text("order_id is order_no now, also in 2 places")
    variable = about.get_by_label("Name 1")
    variable.fill("where")
    variable.press("Enter")
    expect(done).to_contain_text("place is where now, also in 1 place")
    open_step(page, "First")
    first = steps(page).nth(0)
    first.get_by_role("group", name="Capture").get_by_text("number", exact=True).first.click()
    capture = first.get_by_label("Name", exact=True).last
    capture.fill("found")
    capture.press("Enter")
    expect(done).to_contain_text("number is found now, also in 1 place")
    no_faults(page)
    save(page, 2)
    wanted = NAMED.replace("PROCESS", process).replace("order_id", "order_no").replace("place:", "where:")
    wanted = (
        wanted.replace("vars.place", "vars.where").replace("number:", "found:").replace("order.number", "order.found")
    )
    assert stored(demo, process)["source_yaml"] == wanted
    assert demo.check(process, order_no="4712")["status"] == "success"


def test_what_is_saved_is_what_is_seen(demo: Product, page: Page) -> None:
    """Ctrl+S while an id is typed saves the typed id, and the cursor stays in its field."""
    process = saved(demo)
    edit(page, process)
    open_step(page, "Step 2")
    field = steps(page).nth(1).get_by_label("Id", exact=True)
    field.fill("second")
    page.keyboard.press("Control+s")
    expect(page.get_by_role("status", name="Saved")).to_contain_text("Revision 2,")
    expect(field).to_be_focused()
    assert [step["id"] for step in stored(demo, process)["document"]["steps"]] == ["step_1", "second"]


@pytest.mark.req("FR-005")
def test_an_old_revision_is_compared_and_restored(demo: Product, page: Page) -> None:
    """The difference names what changed; restoring makes a new revision, and the editor holds it."""
    process = saved(demo)
    edit(page, process)
    type_yaml(page, definition(process).replace("Step 2", "Changed my mind"))
    no_faults(page)
    save(page, 2)
    page.get_by_role("button", name="Revisions").click()
    dialog = page.get_by_role("dialog", name="Revisions")
    dialog.get_by_role("button", name="Revision 1").first.click()
    expect(dialog.get_by_role("region", name=re.compile("^Difference"))).to_contain_text("Changed my mind")
    dialog.get_by_role("button", name="Restore revision 1").click()
    expect(page.get_by_role("status", name="Saved")).to_contain_text("Revision 3,", timeout=WAIT_MS)
    expect(yaml(page)).to_contain_text("name: Step 2")
    assert stored(demo, process)["source_yaml"] == definition(process)


@pytest.mark.req("FR-005")
def test_two_editors_never_overwrite_each_other_unasked(demo: Product, page: Page, browser: Browser) -> None:
    """Who saves second is told at once, sees both, and decides; the first save stays among the revisions."""
    process = saved(demo)
    edit(page, process)
    type_yaml(page, definition(process).replace("Step 1", "Mine"))
    no_faults(page)
    with demo.client() as client:
        theirs = definition(process).replace("Step 1", "Theirs")
        headers = {"Content-Type": "application/yaml", "If-Match": '"1"'}
        assert client.put(f"/processes/{process}", content=theirs, headers=headers).status_code == 200
    expect(page.get_by_text("saved revision 2 in the meantime")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    dialog = page.get_by_role("dialog", name="Somebody else saved in between")
    expect(dialog.get_by_role("region", name=re.compile("^Difference"))).to_contain_text("Theirs", timeout=WAIT_MS)
    assert stored(demo, process)["revision"] == 2
    dialog.get_by_role("button", name="Save mine over it").click()
    expect(page.get_by_role("status", name="Saved")).to_contain_text("Revision 3,", timeout=WAIT_MS)
    assert stored(demo, process)["document"]["steps"][0]["name"] == "Mine"
    with demo.client() as client:
        assert client.get(f"/processes/{process}/revisions/2").json()["document"]["steps"][0]["name"] == "Theirs"


def test_unsaved_changes_are_not_lost_by_a_click(demo: Product, page: Page) -> None:
    """Leaving asks first; staying keeps what was typed."""
    process = saved(demo)
    edit(page, process)
    type_yaml(page, definition(process).replace("Step 1", "Half done"))
    expect(page.get_by_role("status", name="Saved")).to_contain_text("unsaved changes")
    page.get_by_role("link", name="History", exact=True).click()
    page.get_by_role("dialog", name="Leave without saving?").get_by_role("button", name="Stay").click()
    expect(yaml(page)).to_contain_text("Half done")
    page.get_by_role("link", name="History", exact=True).click()
    page.get_by_role("dialog", name="Leave without saving?").get_by_role("button", name="Leave").click()
    expect(page).to_have_url(re.compile("/history"))


@pytest.mark.req("FR-005")
def test_a_copy_has_a_name_of_its_own_and_rests(demo: Product, page: Page) -> None:
    """Duplicate, beside a process: another id, not active until somebody says so."""
    process = saved(demo)
    page.goto(f"/processes/{process}")
    page.get_by_role("link", name="Duplicate", exact=True).click()
    no_faults(page)
    save(page, 1)
    copy = stored(demo, f"{process}-copy")
    assert copy["active"] is False


@pytest.mark.req("FR-005")
def test_a_process_is_deleted_after_asking(demo: Product, page: Page) -> None:
    """The menu has it, the question names it, and it is gone from the list; steps can be switched off before that."""
    process = saved(demo)
    edit(page, process)
    open_step(page, "Step 2")
    page.get_by_role("button", name="Disable").click()
    expect(yaml(page)).to_contain_text("enabled: false")
    no_faults(page)
    save(page, 2)
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog", name=re.compile(process)).get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile("/processes$"))
    with demo.client() as client:
        assert client.get(f"/processes/{process}").status_code == 404


@pytest.mark.req("NFR-010")
def test_who_may_only_look_sees_no_way_to_edit(demo: Product, browser: Browser) -> None:
    """A viewer has no buttons for it, and the address alone explains why."""
    with browsing(demo, browser, person(demo, "viewer")) as page:
        page.goto("/processes")
        expect(page.get_by_role("link", name="Order to cash (demo)", exact=True)).to_be_visible(timeout=WAIT_MS)
        expect(page.get_by_role("link", name=re.compile("New process|Edit|Duplicate"))).to_have_count(0)
        page.goto("/processes/order-to-cash-demo/edit")
        expect(page.get_by_text("Your role may look, but not edit")).to_be_visible(timeout=WAIT_MS)


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("light", 1440), ("dark", 1440)])
def test_the_editor_is_accessible(demo: Product, browser: Browser, scheme: Any, width: int) -> None:
    """What axe can find, it does not find: the beginning, the open form with a tried step, the plan, the revisions."""
    looks = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "reduced_motion": "reduce"}
    with browsing(demo, browser, overview=False, bypass_csp=True, **looks) as page:
        page.goto("/processes/new")
        expect(page.get_by_role("heading", name="Start from a template")).to_be_visible()
        assert axe_faults(page) == []
        page.goto("/processes/order-to-cash-demo/edit")
        open_step(page, "Order service knows the order")
        page.get_by_role("button", name="Try this step").click()
        page.get_by_role("button", name=re.compile("^SHIPPED|^PAID")).first.click()
        expect(page.get_by_role("button", name="Assert this")).to_be_visible()
        assert axe_faults(page) == []
        for name in ("Plan", "Revisions"):
            button = page.get_by_role("button", name=name, exact=True)
            if not button.is_visible():
                page.get_by_role("button", name="More", exact=True).click()
                button = page.get_by_role("menuitem", name=name)
            button.click()
            dialog = page.get_by_role("dialog", name=name)
            expect(dialog.get_by_role("listitem").first).to_be_visible()
            assert axe_faults(page) == []
            page.keyboard.press("Escape")
            expect(dialog).to_have_count(0)
        if width < 1000:
            page.get_by_role("button", name="YAML").click()
        no_faults(page)
        assert axe_faults(page) == []
