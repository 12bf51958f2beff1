/**
 * The live stream: one EventSource for all tabs of a browser.
 *
 * The tab that holds the lock reads the stream and passes everything on to the others, because a browser allows
 * only six connections to one HTTP/1.1 address. Where locks are missing (plain HTTP) every tab reads for itself.
 */
import { urls } from "@/lib/urls";
import type { RunEvent } from "./types";

export type LiveState = "connecting" | "live" | "lost";
export type IncidentEvent = { type: `incident.${string}`; incident_id: string };
export type ProcessEvent = { type: "process.saved" | "process.deleted"; process_id: string };
/** `opened`: the stream has just begun, what was read before it may lack a moment; `reset`: everything may be old. */
export type LiveMessage = { kind: "run"; event: RunEvent } | { kind: "process"; event: ProcessEvent } | { kind: "incident"; event: IncidentEvent } | { kind: "reset" } | { kind: "opened" };
type Wire = { message: LiveMessage } | { state: LiveState } | { hello: true };

const RUN_EVENTS = ["run.queued", "run.started", "run.finished", "step.started", "step.retrying", "step.waiting", "step.finished"];
const PROCESS_EVENTS = ["process.saved", "process.deleted"];
const INCIDENT_EVENTS = ["opened", "reopened", "changed", "acknowledged", "unacknowledged", "resolved"].map((what) => `incident.${what}`);
/** First wait before a stream that the browser gave up is opened again; doubles up to the longest. */
const FIRST_WAIT_MS = 1000;
/** The server says every 15 s that it is there. A stream that is silent for longer than two of these is dead, even if
 *  nobody closed it: a laptop slept, a proxy forgot it. */
const SILENCE_MS = 40_000;
const LONGEST_WAIT_MS = 15_000;

export class LiveStream {
  #state: LiveState = "connecting";
  #source: EventSource | undefined;
  #channel: BroadcastChannel | undefined;
  #leader = false;
  #release: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setTimeout> | undefined;
  #wait = FIRST_WAIT_MS;
  #wasLive = false;
  readonly #messages = new Set<(message: LiveMessage) => void>();
  readonly #states = new Set<() => void>();

  get state(): LiveState {
    return this.#state;
  }

  onMessage(listener: (message: LiveMessage) => void): () => void {
    this.#messages.add(listener);
    return () => this.#messages.delete(listener);
  }

  onState(listener: () => void): () => void {
    this.#states.add(listener);
    return () => this.#states.delete(listener);
  }

  /** Starts listening; the answer stops it. */
  start(): () => void {
    const stopping = new AbortController();
    if (typeof navigator !== "undefined" && "locks" in navigator && typeof BroadcastChannel !== "undefined") {
      this.#channel = new BroadcastChannel("steptrail-live");
      this.#channel.onmessage = (message: MessageEvent<Wire>) => this.#heard(message.data);
      this.#channel.postMessage({ hello: true } satisfies Wire);
      void navigator.locks
        .request("steptrail-live", { signal: stopping.signal }, () => {
          this.#lead();
          return new Promise<void>((resolve) => (this.#release = resolve));
        })
        .catch(() => undefined);
    } else {
      this.#lead();
    }
    return () => {
      stopping.abort();
      this.#stop();
    };
  }

  #stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#watch);
    this.#source?.close();
    this.#channel?.close();
    this.#release?.();
    this.#source = this.#channel = this.#release = undefined;
    this.#leader = false;
    this.#wasLive = false;
    this.#setState("connecting");
  }

  #lead(): void {
    this.#leader = true;
    // The tab that led before is gone; between its last event and our first one some may be missing.
    this.#wasLive = this.#state === "live";
    this.#open();
  }

  #heard(wire: Wire): void {
    if ("message" in wire) this.#tell(wire.message);
    else if ("state" in wire) {
      if (!this.#leader) this.#setState(wire.state);
    } else if (this.#leader) this.#channel?.postMessage({ state: this.#state } satisfies Wire);
  }

  #open(): void {
    const source = new EventSource(urls.liveStream);
    this.#source = source;
    source.onopen = () => {
      this.#wait = FIRST_WAIT_MS;
      // The browser resumes by itself with Last-Event-ID; a stream opened anew cannot, so everything is read again.
      if (source !== this.#resumable) this.#broadcast({ kind: this.#wasLive ? "reset" : "opened" });
      this.#resumable = source;
      this.#wasLive = true;
      this.#setState("live");
      this.#heardSomething();
    };
    source.onerror = () => {
      this.#setState("lost");
      if (source.readyState === EventSource.CLOSED) this.#openLater();
    };
    for (const type of RUN_EVENTS) source.addEventListener(type, (event) => this.#read("run", type, event));
    for (const type of PROCESS_EVENTS) source.addEventListener(type, (event) => this.#read("process", type, event));
    for (const type of INCIDENT_EVENTS) source.addEventListener(type, (event) => this.#read("incident", type, event));
    source.addEventListener("reset", () => this.#broadcast({ kind: "reset" }));
    source.addEventListener("alive", () => this.#heardSomething());
  }

  #heardSomething(): void {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => {
      this.#setState("lost");
      this.#openLater();
    }, SILENCE_MS);
  }

  /** The source that the browser itself keeps alive. */
  #resumable: EventSource | undefined;

  #openLater(): void {
    this.#source?.close();
    clearTimeout(this.#watch);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
  }

  #read(kind: "run" | "process" | "incident", type: string, event: MessageEvent<string>): void {
    this.#heardSomething();
    let data: unknown;
    try {
      data = JSON.parse(event.data);
    } catch {
      return;
    }
    if (typeof data !== "object" || data === null) return;
    this.#broadcast({ kind, event: { type, ...data } } as LiveMessage);
  }

  #broadcast(message: LiveMessage): void {
    this.#channel?.postMessage({ message } satisfies Wire);
    this.#tell(message);
  }

  #tell(message: LiveMessage): void {
    this.#messages.forEach((listener) => listener(message));
  }

  #setState(state: LiveState): void {
    if (this.#state === state) return;
    this.#state = state;
    if (this.#leader) this.#channel?.postMessage({ state } satisfies Wire);
    this.#states.forEach((notify) => notify());
  }
}

export const liveStream = new LiveStream();
