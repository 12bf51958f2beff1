/** Builds the pages, serves them with the sample API under a strict policy, and starts Chromium, for the tests beside this file. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { build, preview, type PreviewServer } from "vite";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export class Pages {
  readonly faults: string[] = [];
  readonly #server: PreviewServer;
  readonly #browser: Browser;

  readonly #folder: string;

  private constructor(server: PreviewServer, browser: Browser, folder: string) {
    this.#folder = folder;
    this.#server = server;
    this.#browser = browser;
  }

  static async start(): Promise<Pages> {
    const executablePath = process.env.STEPTRAIL_CHROMIUM ?? PLACES.find((place) => existsSync(place));
    if (!executablePath) throw new Error("No Chromium here: install it, or name it in STEPTRAIL_CHROMIUM.");
    const configFile = fileURLToPath(new URL("../sample/vite.config.ts", import.meta.url));
    const outDir = mkdtempSync(join(tmpdir(), "steptrail-pages-"));
    await build({ configFile, logLevel: "error", build: { outDir } });
    const server = await preview({ configFile, logLevel: "error", build: { outDir }, preview: { host: "127.0.0.1", port: 0 } });
    // Chromium's own sandbox needs rights that root in a container does not have.
    const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? [...FLAGS, "--no-sandbox"] : FLAGS });
    return new Pages(server, browser, outDir);
  }

  get address(): string {
    return this.#server.resolvedUrls!.local[0]!;
  }

  /** A page in a fresh browser profile. Errors of the page, and requests to another origin, are kept in `faults`. */
  async open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ baseURL: this.address, viewport: { width: 1440, height: 1000 }, ...options });
    const page = await context.newPage();
    page.on("pageerror", (error) => this.faults.push(`${path}: ${error.message}`));
    page.on("console", (message) => message.type() === "error" && this.faults.push(`${path}: ${message.text()}`));
    page.on("request", (request) => !request.url().startsWith(this.address) && !request.url().startsWith("data:") && this.faults.push(`${path}: asked ${request.url()}`));
    await page.goto(path);
    await page.locator("main").waitFor();
    return page;
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    await this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
