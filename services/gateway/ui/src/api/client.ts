/** The one way to the API: typed by its OpenAPI document, marked as ours, errors as problem documents. */
import createClient, { type Middleware } from "openapi-fetch";
import { learnServerTime } from "@/lib/clock";
import type { paths } from "./schema";

export type FieldError = { path: string; message: string };

/** What the API, or the way to it, said instead of an answer. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly title: string;
  readonly errors: readonly FieldError[];
  readonly errorId: string | null;

  constructor(status: number, title: string, detail: string, errors: readonly FieldError[] = [], errorId: string | null = null) {
    super(detail || title);
    this.name = "ApiProblem";
    this.status = status;
    this.title = title;
    this.errors = errors;
    this.errorId = errorId;
  }

  /** Whether the server could not be reached at all. */
  get offline(): boolean {
    return this.status === 0;
  }
}

type Listener = () => void;
const endListeners = new Set<Listener>();

/** Calls back when the server says that the session is over. */
export function onSessionEnd(listener: Listener): () => void {
  endListeners.add(listener);
  return () => endListeners.delete(listener);
}

const SAFE_METHODS = new Set(["GET", "HEAD"]);

/** When each request went out, in milliseconds by this computer's clock. */
const sentAt = new WeakMap<Request, number>();

const marked: Middleware = {
  onRequest({ request }) {
    sentAt.set(request, Date.now());
    if (!SAFE_METHODS.has(request.method)) request.headers.set("X-Steptrail-Request", "1");
    return request;
  },
  onResponse({ request, response }) {
    const received = Date.now();
    learnServerTime(response.headers.get("Date"), sentAt.get(request) ?? received, received);
    // A refused sign-in is an answer to the form, not the end of a session.
    if (response.status === 401 && !new URL(request.url).pathname.includes("/session")) endListeners.forEach((notify) => notify());
    return response;
  },
  onError() {
    return new ApiProblem(0, "No connection", "The server cannot be reached. Check your connection; this page tries again by itself.");
  },
};

export const client = createClient<paths>({ baseUrl: typeof location === "undefined" ? "" : location.origin, credentials: "same-origin" });
client.use(marked);

/** The data of an answer; anything else is thrown as an ApiProblem. */
export async function answer<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  if (error !== undefined || !response.ok) throw problemOf(response, error);
  return data as T;
}

export function problemOf(response: Response, body: unknown): ApiProblem {
  const record = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const title = typeof record.title === "string" ? record.title : `Error ${response.status}`;
  const detail = typeof record.detail === "string" ? record.detail : fallback(response);
  const errors = Array.isArray(record.errors) ? (record.errors as FieldError[]) : [];
  return new ApiProblem(response.status, title, detail, errors, typeof record.error_id === "string" ? record.error_id : null);
}

function fallback(response: Response): string {
  if (response.status === 429) {
    const seconds = response.headers.get("Retry-After");
    return seconds ? `Too many requests. Try again in ${seconds} s.` : "Too many requests. Try again shortly.";
  }
  return response.status >= 500 ? "The server could not answer. Try again." : "The server refused this request.";
}
