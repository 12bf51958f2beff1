/** Small things this browser remembers. Storage may be refused or full: then it just forgets. */
export function recall<T>(name: string, otherwise: T): T {
  try {
    const text = localStorage.getItem(`steptrail.${name}`);
    return text === null ? otherwise : (JSON.parse(text) as T);
  } catch {
    return otherwise;
  }
}

export function remember(name: string, value: unknown): void {
  try {
    localStorage.setItem(`steptrail.${name}`, JSON.stringify(value));
  } catch {
    // Forgetting is fine.
  }
}
