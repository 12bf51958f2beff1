/** A random key for a request that must count once. `crypto.randomUUID` is missing on plain-HTTP addresses. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A few letters and digits that tell things of one kind apart. */
export function shortId(): string {
  return randomKey().replace(/[^a-z0-9]/g, "").slice(0, 8);
}

/** What steps, captures, inputs and variables may be called. */
export const isName = (text: string): boolean => /^[a-z][a-z0-9_]{0,62}$/.test(text);
