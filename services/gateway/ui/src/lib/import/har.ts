/** From a HAR file, which every browser saves from its network tools. */
import { isRecord } from "../draft";
import { plural } from "../format";
import { apiCall, bodyOf, finished, type Imported, ImportProblem, keptHeaders, type Lost, methodOf, requestName, safeUrl } from "./shape";

type Entry = { request?: { method?: string; url?: string; headers?: Named[]; postData?: { mimeType?: string; text?: string; params?: Named[] } }; response?: { status?: number; content?: { mimeType?: string } }; _resourceType?: string };
type Named = { name?: string; value?: string };

/** What a page loads for its looks. */
const STATIC = /^(image|font|audio|video)\/|javascript|css|wasm/i;

export function fromHar(text: string): Imported {
  const entries = entriesOf(text);
  const lost: Lost[] = [];
  const worth = entries.filter((entry) => !STATIC.test(entry.response?.content?.mimeType ?? "") && /^https?:/i.test(entry.request?.url ?? ""));
  if (entries.length > worth.length) lost.push({ where: "file", what: `${plural(entries.length - worth.length, "request")} for pictures, styles, scripts and the like` });
  if (worth.length === 0) throw new ImportProblem("This HAR file holds no request for a page or an API.");
  return finished("Imported from HAR", worth.map((entry, index) => stepOf(entry, `request ${index + 1}`, lost)), lost);
}

function entriesOf(text: string): Entry[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new ImportProblem("This is no HAR file: it cannot be read as JSON.");
  }
  const log = isRecord(parsed) ? parsed.log : null;
  const entries = isRecord(log) ? log.entries : null;
  if (!Array.isArray(entries)) throw new ImportProblem("This is no HAR file: log.entries is missing.");
  return entries.filter(isRecord) as Entry[];
}

function stepOf({ request = {}, response }: Entry, where: string, lost: Lost[]) {
  const url = safeUrl(request.url ?? "", where, lost);
  const method = methodOf(request.method ?? "GET", where, lost);
  const pairs = (request.headers ?? []).map((header): [string, string] => [header.name ?? "", header.value ?? ""]);
  const page = method === "GET" && /text\/html/i.test(response?.content?.mimeType ?? "");
  const status = response?.status ?? 0;
  const assert = status >= 200 && status < 600 ? [{ status: { eq: status } }] : undefined;
  if (page) {
    keptHeaders(pairs, where, lost);
    return { name: requestName(method, url), check: { type: "web_crawl", url }, assert };
  }
  const headers = Object.fromEntries(Object.entries(keptHeaders(pairs, where, lost)).filter(([name]) => !/^accept$/i.test(name)));
  return { name: requestName(method, url), check: apiCall(url, method, headers, sentBody(request, where, lost)), assert };
}

function sentBody({ postData }: NonNullable<Entry["request"]>, where: string, lost: Lost[]): Record<string, unknown> {
  if (!postData) return {};
  const type = postData.mimeType ?? "";
  if (/x-www-form-urlencoded/i.test(type) && postData.params?.length) return { form: Object.fromEntries(postData.params.map(({ name, value }) => [name ?? "", decoded(value ?? "")])) };
  return bodyOf(postData.text ?? "", type, where, lost);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}
