import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type LiveMessage, LiveStream } from "@/api/live";
import { Settler } from "@/api/sync";

class Source extends EventTarget {
  static readonly CLOSED = 2;
  static opened: Source[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;

  constructor(readonly url: string) {
    super();
    Source.opened.push(this);
  }

  close(): void {
    this.readyState = 2;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  fail(closed: boolean): void {
    this.readyState = closed ? 2 : 0;
    this.onerror?.();
  }

  send(type: string, data: string): void {
    this.dispatchEvent(new MessageEvent(type, { data }));
  }
}

describe("the live stream of a single tab", () => {
  let heard: LiveMessage[];
  let stream: LiveStream;
  let stop: () => void;

  beforeEach(() => {
    vi.useFakeTimers();
    Source.opened = [];
    vi.stubGlobal("EventSource", Source);
    vi.stubGlobal("BroadcastChannel", undefined);
    heard = [];
    stream = new LiveStream();
    stream.onMessage((message) => heard.push(message));
    stop = stream.start();
  });

  afterEach(() => {
    stop();
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("tells what happens, and survives what it cannot read", () => {
    Source.opened[0]!.open();
    Source.opened[0]!.send("step.finished", '{"run_id":"r","seq":3}');
    Source.opened[0]!.send("step.finished", "no json");
    expect(stream.state).toBe("live");
    expect(heard).toEqual([{ kind: "opened" }, { kind: "run", event: { type: "step.finished", run_id: "r", seq: 3 } }]);
  });

  it("leaves a short break to the browser, which resumes without reading everything again", () => {
    Source.opened[0]!.open();
    Source.opened[0]!.fail(false);
    expect(stream.state).toBe("lost");
    Source.opened[0]!.open();
    expect(stream.state).toBe("live");
    expect(Source.opened).toHaveLength(1);
    expect(heard).toEqual([{ kind: "opened" }]);
  });

  it("opens a stream that was given up again, with growing waits, and then asks to read everything", () => {
    Source.opened[0]!.open();
    Source.opened[0]!.fail(true);
    vi.advanceTimersByTime(1000);
    expect(Source.opened).toHaveLength(2);
    Source.opened[1]!.fail(true);
    vi.advanceTimersByTime(1000);
    expect(Source.opened).toHaveLength(2);
    vi.advanceTimersByTime(1000);
    expect(Source.opened).toHaveLength(3);
    Source.opened[2]!.open();
    expect(heard.at(-1)).toEqual({ kind: "reset" });
  });

  it("notices a stream that is silent although nobody closed it, and opens another", () => {
    Source.opened[0]!.open();
    for (let passed = 0; passed < 120_000; passed += 15_000) {
      vi.advanceTimersByTime(15_000);
      Source.opened[0]!.send("alive", "{}");
    }
    expect([stream.state, Source.opened.length]).toEqual(["live", 1]);
    vi.advanceTimersByTime(41_000);
    expect([stream.state, Source.opened.length, Source.opened[0]!.readyState]).toEqual(["lost", 2, Source.CLOSED]);
    Source.opened[1]!.open();
    expect([stream.state, heard.at(-1)]).toEqual(["live", { kind: "reset" }]);
  });

  it("passes on the server's wish to read everything again", () => {
    Source.opened[0]!.open();
    Source.opened[0]!.send("reset", "");
    expect(heard.at(-1)).toEqual({ kind: "reset" });
  });
});

it("a busy run is read after quiet, but at least every few quiet times", () => {
  vi.useFakeTimers();
  const settler = new Settler();
  const read = vi.fn();
  for (let passed = 0; passed < 2000; passed += 100) {
    settler.later("run", 250, read);
    vi.advanceTimersByTime(100);
  }
  expect(read.mock.calls.length).toBeGreaterThanOrEqual(1);
  vi.advanceTimersByTime(1000);
  expect(read.mock.calls.length).toBeLessThanOrEqual(3);
  vi.useRealTimers();
});
