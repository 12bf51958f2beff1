import { describe, expect, it } from "vitest";
import { answerParts, channelTarget, deliveryState, mailDraft, mailFrom, momentsText, patienceText, recipientsFault, withSecurity } from "@/lib/notifications";
import { deedWords, DEEDS, roleOptions, rolesUpTo } from "@/lib/people";

describe("notifications in words", () => {
  it("name what is told, and how soon", () => {
    expect([momentsText([]), momentsText(["failed"]), momentsText(["failed", "timeout", "recovered"])]).toEqual(["", "failed", "failed, timed out or good again"]);
    expect(patienceText({})).toBe("at once");
    expect(patienceText({ after_failures: 3, remind_every: "2h" })).toBe("after 3 failures in a row, again every 2\u00a0h");
  });

  it("take e-mail as people write it", () => {
    const draft = { ...mailDraft(null), host: " mail.example.com ", sender: "Steptrail <s@example.com>", recipients: "a@b, c@d\n\ne@f;", account: "me" };
    expect(mailFrom(draft)).toEqual({ host: "mail.example.com", port: 587, security: "starttls", ca_certificate: null, username: "me", sender: "Steptrail <s@example.com>", recipients: ["a@b", "c@d", "e@f"] });
    expect(mailFrom(mailDraft(mailFrom(draft)))).toEqual(mailFrom(draft));
    expect(mailFrom({ ...draft, security: "none" }).username).toBeNull();
    expect(recipientsFault({ "email.recipients[1]": "Is no address." }, draft.recipients)).toBe("c@d: Is no address.");
    expect([recipientsFault({ "email.recipients": "This is needed." }, ""), recipientsFault({}, "")]).toEqual(["This is needed.", undefined]);
  });

  it("a protection brings its port, unless somebody wrote one", () => {
    const ports = (port: string) => withSecurity({ ...mailDraft(null), port }, "tls").port;
    expect([ports("587"), ports("25"), ports("2525")]).toEqual(["465", "465", "2525"]);
  });

  it("say where a channel leads and what was answered", () => {
    const email = { ...mailFrom(mailDraft(null)), recipients: ["a@b", "c@d", "e@f", "g@h"] };
    expect([channelTarget({ url: null, email }), channelTarget({ url: "https://x", email: null })]).toEqual(["a@b, c@d and 2 more", "https://x"]);
    const parts = (last_answer: string | null, last_status_code: number | null = null) => answerParts({ last_answer, last_status_code });
    expect(parts("SMTP 250 2.0.0 OK queued as 7")).toEqual(["SMTP 250", "2.0.0 OK queued as 7"]);
    expect([parts("HTTP 204"), parts(null, 204), parts(null)]).toEqual([["HTTP 204", ""], ["HTTP 204", ""], ["", ""]]);
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
