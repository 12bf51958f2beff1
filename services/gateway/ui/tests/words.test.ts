import { describe, expect, it } from "vitest";
import { deliveryState, momentsText, patienceText } from "@/lib/notifications";
import { deedWords, DEEDS, roleOptions, rolesUpTo } from "@/lib/people";

describe("notifications in words", () => {
  it("name what is told, and how soon", () => {
    expect([momentsText([]), momentsText(["failed"]), momentsText(["failed", "timeout", "recovered"])]).toEqual(["", "failed", "failed, timed out or good again"]);
    expect(patienceText({})).toBe("at once");
    expect(patienceText({ after_failures: 3, remind_every: "2h" })).toBe("after 3 failures in a row, again every 2\u00a0h");
  });

  it("tell a first try from one after a failure", () => {
    const word = (status: "pending" | "delivered" | "undelivered", tries: number) => deliveryState({ status, tries }).word;
    expect([word("pending", 0), word("pending", 2), word("delivered", 1), word("undelivered", 6)]).toEqual(["on its way", "is tried again", "delivered", "not delivered"]);
  });
});

describe("people in words", () => {
  it("no role gives away more than it has", () => {
    expect([rolesUpTo(undefined), rolesUpTo("viewer"), rolesUpTo("editor")]).toEqual([[], ["viewer"], ["viewer", "operator", "editor"]]);
    expect(roleOptions(["viewer"])[0]![1]).toContain("sees processes");
  });

  it("deeds read as sentences, and unknown ones stay as they are", () => {
    expect(["run.start", "process.save", "user.delete", "session.refused", "moon.landing"].map(deedWords)).toEqual(["started a check of", "changed the process", "deleted the account", "was refused to sign in", "moon.landing"]);
    expect(DEEDS.slice(1).every(([prefix]) => prefix.endsWith("."))).toBe(true);
  });
});
