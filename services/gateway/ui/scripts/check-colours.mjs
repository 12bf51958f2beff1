/** Colours come from src/styles/tokens.css alone: any other file that names one fails. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const COLOUR = /#[0-9a-fA-F]{3,8}\b(?!["'`]?\s*\))|\b(?:rgba?|hsla?|oklch|lab)\(|:\s*(?:white|black|red|green|blue|gr[ae]y|orange|yellow|purple)\b/;
/** The tokens themselves, and types that a program writes. */
const EXEMPT = ["styles/tokens.css", "api/schema.ts"];
const faults = [];

function look(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) look(path);
    else if (/\.(css|tsx?)$/.test(entry.name) && !EXEMPT.some((end) => path.endsWith(end))) {
      readFileSync(path, "utf8")
        .split("\n")
        .forEach((line, index) => COLOUR.test(line) && faults.push(`${path}:${index + 1}: ${line.trim()}`));
    }
  }
}

look("src");
if (faults.length > 0) {
  console.error(`Name colours in src/styles/tokens.css only:\n${faults.join("\n")}`);
  process.exit(1);
}
