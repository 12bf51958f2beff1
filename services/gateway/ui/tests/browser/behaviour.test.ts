import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Page } from "playwright-core";
import { Pages } from "./pages";

let pages: Pages;
beforeAll(async () => {
  pages = await Pages.start();
});
afterAll(async () => {
  await pages.stop();
  expect(pages.faults.filter((fault) => !/404|422|401|503|ERR_INCOMPLETE_CHUNKED/.test(fault))).toEqual([]);
});

const check = async (page: Page, order: string) => {
  await page.getByRole("button", { name: "Check" }).first().click();
  await page.getByLabel("Order number").fill(order);
  await page.getByRole("button", { name: "Start check" }).click();
};
const verdict = (page: Page) => page.getByTestId("verdict");
const selected = (page: Page) => page.locator('[data-step][aria-current="step"]').getAttribute("data-step");

describe("the page of a process", () => {
  it("opens on the failing step, with expected against actual", async () => {
    const page = await pages.open("/runs/run-49");
    await page.getByRole("tab", { name: "Expected / Actual" }).waitFor();
    expect(await selected(page)).toBe("invoice_file");
    expect(await page.getByText("not met").count()).toBe(3);
    await page.context().close();
  });

  it("explains a wrong input at its field, also when only the server knows", async () => {
    const page = await pages.open("/processes/order-to-cash");
    await check(page, "abc");
    expect(await page.getByLabel("Order number").getAttribute("aria-invalid")).toBe("true");
    await page.getByLabel("Order number").fill("0000");
    await page.getByRole("button", { name: "Start check" }).click();
    await page.getByText("no order has this number").waitFor();
    expect(await page.getByLabel("Order number").getAttribute("aria-invalid")).toBe("true");
    await page.context().close();
  });

  it("walks a run live in every open page, without taking away what someone chose", async () => {
    const [starter, follower, reader] = await Promise.all([pages.open("/processes/order-to-cash"), pages.open("/processes/order-to-cash"), pages.open("/processes/order-to-cash")]);
    await reader.locator('[data-step="shop_page"]').click();
    await starter.waitForTimeout(500);
    await check(starter, "4712");
    for (const page of [starter, follower]) await verdict(page).getByText("next attempt in").waitFor({ timeout: 15_000 });
    await reader.getByRole("button", { name: "Show the latest" }).waitFor();
    expect(await verdict(reader).innerText()).toContain("stuck at 5");
    expect(await selected(reader)).toBe("shop_page");
    await reader.getByRole("button", { name: "Show the latest" }).click();
    for (const page of [starter, follower, reader]) await verdict(page).getByText("All 7 steps passed").waitFor({ timeout: 30_000 });
    await Promise.all([starter, follower, reader].map((page) => page.context().close()));
  });

  it("cancels a run after asking", async () => {
    const page = await pages.open("/processes/order-to-cash");
    await check(page, "4713");
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Cancel the run" }).click();
    await verdict(page).getByText("Cancelled by").waitFor();
    await page.context().close();
  });

  it("is moved through by keyboard", async () => {
    const page = await pages.open("/runs/run-49?step=shop_page");
    await page.locator("[data-run]").first().waitFor();
    await page.keyboard.press("n");
    await page.waitForURL(/step=invoice_file/);
    await page.keyboard.press("g");
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("Enter");
    await page.waitForURL(/runs\/run-48/);
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("/");
    await page.keyboard.type("4711");
    await page.getByRole("option").first().waitFor();
    await page.keyboard.press("Enter");
    await page.waitForURL(/runs\/run-49/);
    await page.context().close();
  });

  it("shows evidence as text, never as markup", async () => {
    const page = await pages.open("/runs/run-49?step=order_api&tab=request");
    await page.getByText("<script>alert(1)</script>").first().waitFor();
    await page.context().close();
  });
});

it("the lists keep their filters in the address", async () => {
  const page = await pages.open("/processes");
  await page.getByLabel("Search processes").fill("order");
  await page.waitForURL(/q=order/);
  await page.getByLabel("Category").selectOption("Sales");
  await page.waitForURL(/category=Sales/);
  await page.reload();
  await page.getByRole("link", { name: "Order to cash" }).waitFor();
  expect(await page.getByRole("link", { name: "Payroll export" }).count()).toBe(0);
  await page.context().close();
});

it("a lost live connection is said, and mended by itself", async () => {
  const page = await pages.open("/");
  await page.getByTestId("live").getByText("live", { exact: true }).waitFor();
  await fetch(`${pages.address}api/v1/sample/break`, { method: "POST" });
  await page.getByText("The live connection is lost").waitFor();
  await page.getByTestId("live").getByText("live", { exact: true }).waitFor();
  await page.context().close();
});

it("signing out and in leads back", async () => {
  const page = await pages.open("/history");
  await page.getByRole("button", { name: /^Account of/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await page.goto("/processes?status=stuck");
  await page.getByLabel("User name").fill("olga");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Password").fill("right password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(/processes\?status=stuck/);
  await page.context().close();
});
