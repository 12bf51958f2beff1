import { describe, expect, it } from "vitest";
import { reach } from "@/lib/incidents";

describe("whom an incident stops", () => {
  const process = (keys: number) => ({ process_id: "p", process_name: "P", keys, keys_open: keys });

  it("counts keys where there are more of them than processes", () => {
    expect(reach({ state: "open", processes: [process(2)], keys_open: 2, process_count: 1 })).toBe("stops 2 keys of 1 process");
  });

  it("counts processes alone where each is stopped once: it may have no keys", () => {
    expect(reach({ state: "open", processes: [process(1)], keys_open: 1, process_count: 1 })).toBe("stops 1 process");
    expect(reach({ state: "resolved", processes: [process(1), process(1)], keys_open: 0, process_count: 2 })).toBe("stopped 2 processes");
  });
});
