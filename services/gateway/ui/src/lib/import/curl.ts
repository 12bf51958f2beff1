/** From a curl command, as browsers and API documents give it. */
import { split } from "shlex";
import { apiCall, bodyOf, finished, type Imported, ImportProblem, keptHeaders, type Lost, methodOf, requestName, safeUrl } from "./shape";

/** Options with a value that change nothing a step knows, or are covered by its own settings. */
const WITH_VALUE = /^(-o|--output|-w|--write-out|--connect-timeout|-m|--max-time|--retry|--retry-delay|-c|--cookie-jar|-x|--proxy|--cacert|-e|--referer|-A|--user-agent|-E|--cert|--key|--resolve|--limit-rate|-T|--upload-file|-D|--dump-header|-Y|-y|-z|-C|-K|--config)$/;
const WORTH_NOTHING = /^(-s|-S|-sS|-i|-v|-f|-#|--silent|--show-error|--include|--verbose|--fail|--compressed|--progress-bar|-o|--output|-w|--write-out|-A|--user-agent|-e|--referer|--http1\.1|--http2|-L|--location|-D|--dump-header|-sSL|-sL|-fsSL|-N|--no-buffer)$/;

export function fromCurl(text: string): Imported {
  const lost: Lost[] = [];
  const commands = commandsOf(text);
  if (commands.length === 0) throw new ImportProblem("There is no curl command in this text. It should begin with “curl”.");
  return finished("Imported from curl", commands.map((words, index) => stepOf(words, commands.length > 1 ? `command ${index + 1}` : "command", lost)), lost);
}

/** Every `curl …` of a script, as words. */
function commandsOf(text: string): string[][] {
  const joined = text.replace(/\\\r?\n/g, " ").replace(/\^\r?\n/g, " ");
  return joined
    .split(/\r?\n(?=\s*(?:\$ )?curl\s)/)
    .map((line) => line.trim().replace(/^\$ /, ""))
    .filter((line) => /^curl\s/.test(line))
    .map((line) => {
      try {
        return split(line).slice(1);
      } catch {
        throw new ImportProblem("A quote in this command is not closed.");
      }
    });
}

type Request = { url: string; method: string; headers: [string, string][]; data: string[]; form: Record<string, string>; json: boolean; get: boolean; insecure: boolean };

function stepOf(words: string[], where: string, lost: Lost[]) {
  const request = readWords(words, where, lost);
  if (!request.url) throw new ImportProblem(`The ${where} has no address.`);
  const type = request.headers.find(([name]) => /^content-type$/i.test(name))?.[1] ?? (request.json ? "application/json" : request.data.length ? "application/x-www-form-urlencoded" : "");
  const data = request.data.join("&");
  const looksJson = /^\s*[{[]/.test(data);
  const body = request.get ? {} : Object.keys(request.form).length ? { form: request.form } : bodyOf(data, looksJson ? "application/json" : type, where, lost);
  const method = methodOf(request.method || (data && !request.get) || Object.keys(request.form).length ? request.method || "POST" : "GET", where, lost);
  const bare = safeUrl(/^https?:\/\//i.test(request.url) ? request.url : `https://${request.url}`, where, lost);
  const url = request.get && data ? `${bare}${bare.includes("?") ? "&" : "?"}${data}` : bare;
  const check = apiCall(url, method, keptHeaders(request.headers, where, lost), body);
  if (request.insecure) check.verify_tls = false;
  return { name: requestName(method, url), check };
}

function readWords(words: string[], where: string, lost: Lost[]): Request {
  const request: Request = { url: "", method: "", headers: [], data: [], form: {}, json: false, get: false, insecure: false };
  for (let index = 0; index < words.length; index += 1) {
    const [option, glued] = optionOf(words[index]!);
    const value = () => glued ?? words[(index += 1)] ?? "";
    if (!option.startsWith("-") || option === "--url") {
      const address = option === "--url" ? value() : option;
      if (request.url) lost.push({ where, what: `a second address, ${address.slice(0, 100)}` });
      else request.url = address;
    } else if (option === "-X" || option === "--request") request.method = value();
    else if (option === "-H" || option === "--header") {
      const [name, ...rest] = value().split(":");
      request.headers.push([name!.trim(), rest.join(":").trim()]);
    } else if (/^(-d|--data|--data-raw|--data-binary|--data-ascii|--json|--data-urlencode)$/.test(option)) {
      const data = value();
      if (data.startsWith("@")) lost.push({ where, what: `a body from the file ${data.slice(1, 100)}` });
      else request.data.push(option === "--data-urlencode" ? encoded(data) : data);
      request.json ||= option === "--json";
    } else if (option === "-F" || option === "--form") {
      const [name, ...rest] = value().split("=");
      const content = rest.join("=");
      if (content.startsWith("@")) lost.push({ where, what: `the file ${content.slice(1, 100)} of a form` });
      else request.form[name!] = content;
    } else if (option === "-G" || option === "--get") request.get = true;
    else if (option === "-I" || option === "--head") request.method = "HEAD";
    else if (option === "-k" || option === "--insecure") request.insecure = true;
    else if (/^(-u|--user|-b|--cookie|--oauth2-bearer)$/.test(option)) {
      value();
      lost.push({ where, what: `${option}: a credential, keep it in the secrets of a connection` });
    } else {
      if (WITH_VALUE.test(option)) value();
      if (!WORTH_NOTHING.test(option)) lost.push({ where, what: `option ${option.slice(0, 60)}` });
    }
  }
  return request;
}

/** `-XPOST` and `--request=POST` carry their value with them. */
function optionOf(word: string): [string, string | undefined] {
  const short = /^(-[XHdFubAeo])(.+)$/s.exec(word);
  if (short) return [short[1]!, short[2]];
  const long = /^(--[a-z0-9.-]+)=(.*)$/s.exec(word);
  return long ? [long[1]!, long[2]] : [word, undefined];
}

function encoded(text: string): string {
  const [name, ...rest] = text.split("=");
  return rest.length ? `${name}=${encodeURIComponent(rest.join("="))}` : encodeURIComponent(text);
}
