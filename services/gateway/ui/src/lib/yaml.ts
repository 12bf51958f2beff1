/** Colours for the YAML of a definition. Reads line by line; what it does not know stays plain text. */
export type TokenKind = "key" | "string" | "number" | "word" | "comment" | "expression" | "mark" | "plain";
export type Token = { kind: TokenKind; text: string };

const SCALAR_WORD = /^(true|false|null|yes|no|~)$/i;
const NUMBER = /^-?\d+(\.\d+)?(ms|s|m|h|d)?$/;
const PIECE =
  /(\$\{\{.*?\}\})|("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(#.*$)|([A-Za-z_$][\w.$-]*(?=\s*:(?:\s|$)))|([[\]{},:]|^-(?=\s)|[|>][+-]?(?=\s*$))|((?:(?!\$\{\{)[^\s[\]{},:#"'])+)|(\s+|.)/g;
const KINDS: readonly TokenKind[] = ["expression", "string", "comment", "key", "mark", "word", "plain"];

/** The tokens of one line, in order; their texts joined are the line. */
export function tokensOfLine(line: string): Token[] {
  const indent = /^(\s*(?:-\s+)*)/.exec(line)?.[0] ?? "";
  const tokens: Token[] = indent ? [{ kind: "mark", text: indent }] : [];
  for (const match of line.slice(indent.length).matchAll(PIECE)) {
    const index = match.slice(1).findIndex((group) => group !== undefined);
    const kind = KINDS[index] ?? "plain";
    tokens.push(...refine(kind, match[0]));
  }
  return tokens;
}

function refine(kind: TokenKind, text: string): Token[] {
  if (kind === "word") {
    return [{ kind: NUMBER.test(text) ? "number" : SCALAR_WORD.test(text) ? "word" : "plain", text }];
  }
  if (kind === "string" && text.includes("${{")) {
    return text
      .split(/(\$\{\{.*?\}\})/)
      .filter(Boolean)
      .map((part) => ({ kind: part.startsWith("${{") ? "expression" : "string", text: part }));
  }
  return [{ kind, text }];
}
