import { describe, expect, it } from "vitest";
import type { Input } from "@/api/types";
import { errorsByInput, inputError, inputErrors, startingTexts, typedValues } from "@/lib/inputs";

const input = (more: Partial<Input>): Input => ({ type: "string", required: true, default: null, example: null, ...more }) as Input;
const inputs = {
  order_id: input({ label: "Order number", matches: "[0-9]{4,12}", example: "4711" }),
  copies: input({ type: "integer", required: false, default: 2 }),
  exact: input({ type: "boolean", required: false }),
  region: input({ required: false, options: ["EU", 7] }),
};

describe("the form of a check", () => {
  it("begins with what was typed last, else with defaults", () => {
    expect(startingTexts(inputs, { order_id: "4712" })).toEqual({ order_id: "4712", copies: "2", exact: "", region: "" });
  });

  it("says what is missing and what has the wrong form, with the example", () => {
    expect(inputErrors(inputs, { order_id: "" })).toEqual({ order_id: "Enter the order number." });
    expect(inputErrors(inputs, { order_id: "abc" }).order_id).toBe("This does not have the form that is asked for. Example: 4711");
    expect(inputErrors(inputs, { order_id: "4711" })).toEqual({});
  });

  it("matches the whole text, not a part of it", () => {
    expect(inputError(inputs.order_id, "Order number", "x4711x")).not.toBeNull();
  });

  it("leaves a pattern that browsers cannot read to the server", () => {
    expect(inputError(input({ matches: "(?P<n>[0-9]+)" }), "N", "4711")).toBeNull();
  });

  it("knows numbers from text", () => {
    expect(inputError(inputs.copies, "copies", "2.5")).toBe("Enter a whole number.");
    expect(inputError(input({ type: "number" }), "n", "2,5")).toBe("Enter a number.");
    expect(inputError(inputs.region, "region", "US")).toBe("Choose one of the values.");
  });

  it("sends typed values and leaves empty ones out", () => {
    expect(typedValues(inputs, { order_id: " 0047 ", copies: "3", exact: "false", region: "7" })).toEqual({ order_id: "0047", copies: 3, exact: false, region: 7 });
    expect(typedValues(inputs, { order_id: "4711", copies: "", exact: "" })).toEqual({ order_id: "4711" });
  });
});

it("puts the server's errors beside their fields and keeps the others", () => {
  const told = errorsByInput(
    [
      { path: "body.inputs.order_id", message: "too short" },
      { path: "inputs.copies", message: "too many" },
      { path: "process_id", message: "is not active" },
    ],
    ["order_id", "copies"],
  );
  expect(told).toEqual({ fields: { order_id: "too short", copies: "too many" }, others: ["process_id: is not active"] });
});
