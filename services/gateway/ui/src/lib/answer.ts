/** The answer of a tried step, taken apart so that its values can be clicked. */

export type HttpAnswer = { status: number | null; headers: [string, string][]; body: string };

/** `HTTP/1.1 200 OK`, headers, an empty line, the body. */
export function httpAnswer(text: string): HttpAnswer {
  const end = text.indexOf("\n\n");
  const head = (end < 0 ? text : text.slice(0, end)).split("\n");
  const status = /^HTTP\/\S+\s+(\d{3})/.exec(head[0] ?? "")?.[1];
  const headers = head.slice(1).flatMap((line): [string, string][] => {
    const colon = line.indexOf(":");
    return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 1).trim()]] : [];
  });
  return { status: status ? Number(status) : null, headers, body: end < 0 ? "" : text.slice(end + 2) };
}

/** JSON, or undefined for anything else. */
export function jsonOf(text: string): unknown {
  try {
    return /^\s*[[{"\dtfn-]/.test(text) ? (JSON.parse(text) as unknown) : undefined;
  } catch {
    return undefined;
  }
}

/** The values of earlier steps that a step uses: `[["order_api", "placed_at"]]`, each once. */
export function usedCaptures(step: unknown): [string, string][] {
  const found = JSON.stringify(step ?? null).matchAll(/steps\.([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)/g);
  const pairs = new Map([...found].map((match): [string, [string, string]] => [`${match[1]}.${match[2]}`, [match[1]!, match[2]!]]));
  return [...pairs.values()];
}
