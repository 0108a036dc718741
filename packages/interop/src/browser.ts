import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { BrowserPage } from './browser-page.ts';
import { findPeer } from './peers.ts';

export type BrowserName = 'chromium' | 'firefox';

const START_TIME = 30_000;
const DOCUMENT = `<!doctype html><meta charset="utf-8"><title>petrel</title><script type="module" src="/page.js"></script>`;

/**
 * A headless browser, driven without a driver, so that Chromium and stock Firefox are driven alike: its pages take commands as
 * server-sent events from a small HTTP server, and post the results back.
 *
 * @example
 * const browser = await Browser.launch('firefox');
 * const agent = await browser.page.evaluate(() => navigator.userAgent);
 * await browser.close();
 */
export class Browser {
  readonly name: BrowserName;
  readonly version: string;
  /** The first page. */
  readonly page: BrowserPage;
  readonly #http = createServer((request, response) => void this.#serve(request, response));
  readonly #pages: BrowserPage[] = [];
  readonly #profile: string;
  #process: ChildProcess | undefined;

  private constructor(name: BrowserName, executable: string) {
    this.name = name;
    this.version = spawnSync(executable, ['--version'], { encoding: 'utf8' }).stdout.trim();
    this.#profile = mkdtempSync(join(tmpdir(), `petrel-${name}-`));
    this.page = this.#addPage();
  }

  /** Rejects when the browser is not on this machine, or does not open its page in half a minute. */
  static async launch(name: BrowserName): Promise<Browser> {
    const executable = findPeer(name);
    if (executable === undefined) throw new Error(`${name} is not installed`);
    const browser = new Browser(name, executable);
    await new Promise<void>((resolve) => browser.#http.listen(0, '127.0.0.1', resolve));
    browser.#process = start(name, executable, browser.#profile, browser.#url(0));
    try {
      await browser.page.ready(START_TIME);
    } catch (error) {
      await browser.close();
      throw error;
    }
    return browser;
  }

  /** Opens another tab. `page.evaluate(() => window.close())` closes it, as a user would. */
  async openPage(): Promise<BrowserPage> {
    const page = this.#addPage();
    await this.page.evaluate((url) => void window.open(url), this.#url(this.#pages.length - 1));
    await page.ready(START_TIME);
    return page;
  }

  /** The browser dies at once, without a word to anyone. */
  kill(): void {
    const pid = this.#process?.pid;
    // The processes of a browser are one group: it was started detached.
    if (pid !== undefined && this.#process?.exitCode === null && this.#process.signalCode === null) process.kill(-pid, 'SIGKILL');
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process?.once('exit', resolve) ?? resolve(undefined));
    const running = this.#process?.exitCode === null && this.#process.signalCode === null;
    this.kill();
    if (running) await ended;
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  #addPage(): BrowserPage {
    const page = new BrowserPage();
    this.#pages.push(page);
    return page;
  }

  #url(page: number): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/?page=${page}`;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const page = this.#pages[Number(searchParams.get('page'))];
    if (pathname === '/') response.writeHead(200, { 'Content-Type': 'text/html' }).end(DOCUMENT);
    else if (pathname === '/page.js') response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(pageScript());
    else if (pathname === '/commands' && page !== undefined) page.attach(response);
    else if (pathname === '/results' && page !== undefined) {
      page.result(Buffer.concat(await request.toArray()).toString());
      response.writeHead(204).end();
    } else response.writeHead(404).end();
  }
}

function pageScript(): string {
  const entryPoints = [join(__dirname, 'page-commands.ts')];
  const { outputFiles } = buildSync({
    entryPoints,
    bundle: true,
    write: false,
    conditions: ['@petrel/source'],
    format: 'esm',
    target: 'es2022',
  });
  return outputFiles[0]?.text ?? '';
}

function start(name: BrowserName, executable: string, profile: string, url: string): ChildProcess {
  if (name === 'firefox') writeFileSync(join(profile, 'user.js'), firefoxPreferences());
  const args =
    name === 'chromium'
      ? [...CHROMIUM_ARGUMENTS, `--user-data-dir=${profile}`, url]
      : ['--headless', '--no-remote', '--profile', profile, url];
  const env = { ...process.env, MOZ_CRASHREPORTER_DISABLE: '1' };
  return spawn(executable, args, { detached: true, stdio: 'ignore', env });
}

/** Stock behaviour, except for what would wait for a user or talk to anyone else. */
const CHROMIUM_ARGUMENTS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-default-apps',
  '--disable-extensions',
  '--disable-popup-blocking',
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
  '--mute-audio',
  '--autoplay-policy=no-user-gesture-required',
  '--allow-loopback-in-peer-connection',
];

function firefoxPreferences(): string {
  const preferences: Record<string, string | number | boolean> = {
    'media.autoplay.default': 0,
    'media.peerconnection.ice.loopback': true,
    'dom.disable_open_during_load': false,
    'dom.allow_scripts_to_close_windows': true,
    'browser.shell.checkDefaultBrowser': false,
    'browser.startup.homepage_override.mstone': 'ignore',
    'browser.aboutwelcome.enabled': false,
    'browser.newtabpage.enabled': false,
    'browser.safebrowsing.malware.enabled': false,
    'browser.safebrowsing.phishing.enabled': false,
    'browser.region.update.enabled': false,
    'datareporting.policy.dataSubmissionEnabled': false,
    'toolkit.telemetry.enabled': false,
    'app.update.enabled': false,
    'app.normandy.enabled': false,
    'extensions.getAddons.cache.enabled': false,
    'extensions.update.enabled': false,
    'network.captive-portal-service.enabled': false,
    'network.connectivity-service.enabled': false,
    'dom.push.connection.enabled': false,
    'media.gmp-manager.updateEnabled': false,
    'services.settings.server': 'http://127.0.0.1:9/',
  };
  return Object.entries(preferences)
    .map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`)
    .join('');
}
