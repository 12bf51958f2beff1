/** What the server refused, sorted to the fields of a form. */
type Refusal = { message: string; errors?: readonly { path: string; message: string }[] };

/** A path of the API as a form knows it: `body.settings.http.login.path` is `login.path`. */
function placeOf(path: string): string {
  return path.replace(/^body\.?/, "").replace(/^settings\.[a-z0-9_]+\./, "").replace(/^inputs\./, "");
}

/** A rule that only programs can read says what to do instead. */
function readable(message: string): string {
  if (/^String should match pattern/.test(message)) return "This is not written as it must be.";
  const least = /^String should have at least (\d+) characters?/.exec(message);
  if (least) return least[1] === "1" ? "This is needed." : `At least ${least[1]} characters.`;
  const most = /^String should have at most (\d+) characters?/.exec(message);
  if (most) return `At most ${most[1]} characters.`;
  if (message === "is required") return "This is needed.";
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.!?]$/.test(message) ? "" : "."}`;
}

/** The errors of a refused form by the name of their field. */
export function fieldFaults(failure: Error | null): Record<string, string> {
  const errors = (failure as Refusal | null)?.errors ?? [];
  return Object.fromEntries(errors.map(({ path, message }) => [placeOf(path), readable(message)]));
}

/** The failure, if a part of it belongs to none of these fields, or null. */
export function unplaced(failure: Error | null, fields: readonly string[]): Error | null {
  if (!failure) return null;
  const faults = Object.entries(fieldFaults(failure));
  const rest = faults.filter(([place]) => !fields.some((field) => place === field || place.startsWith(`${field}.`)));
  if (faults.length > 0 && rest.length === 0) return null;
  return faults.length === 0 ? failure : new Error(rest.map(([place, message]) => (place ? `${place}: ${message}` : message)).join(" "));
}
