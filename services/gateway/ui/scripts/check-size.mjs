/** The JavaScript of the first load must stay small: the entry and everything it imports at once. With `--if-built`, only where the page was built. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const FOLDER = "../src/steptrail_gateway/static";
const LIMIT_KB = 250;

const listed = join(FOLDER, ".vite/manifest.json");
if (process.argv.includes("--if-built") && !existsSync(listed)) {
  console.log("first load: the page is not built here, its size was not checked");
  process.exit(0);
}
const manifest = JSON.parse(readFileSync(listed, "utf8"));
const wanted = new Set();
function take(name) {
  if (wanted.has(name)) return;
  wanted.add(name);
  (manifest[name].imports ?? []).forEach(take);
}
Object.keys(manifest).filter((name) => manifest[name].isEntry).forEach(take);

const kilobytes = (file) => gzipSync(readFileSync(join(FOLDER, file))).length / 1000;
const scripts = [...wanted].reduce((sum, name) => sum + kilobytes(manifest[name].file), 0);
const styles = [...new Set([...wanted].flatMap((name) => manifest[name].css ?? []))].reduce((sum, file) => sum + kilobytes(file), 0);
console.log(`first load: ${scripts.toFixed(1)} kB of JavaScript, ${styles.toFixed(1)} kB of styles (gzip); at most ${LIMIT_KB} kB of JavaScript`);
if (scripts > LIMIT_KB) process.exit(1);
