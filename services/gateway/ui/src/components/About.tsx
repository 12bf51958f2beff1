import { formatRough } from "@/lib/format";

/** What is usual: the sign stays with its figure at the end of a line. */
export function About({ seconds }: { seconds: number }) {
  return <span className="unparted">≈ {formatRough(seconds)}</span>;
}
