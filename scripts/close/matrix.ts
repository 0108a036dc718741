/**
 * `npm run close-matrix`: closes connections with Chromium and Firefox in every order, over lossy paths, and from the page's side, prints what each side
 * noticed and when, and writes the tables into docs/closing.md. `-- --closes 50` makes the loss table of 50 closes each (10 unless given); `-- --small` is
 * a few of each, and writes nothing.
 */
import { networkInterfaces } from 'node:os';
import { readFileSync, writeFileSync } from 'node:fs';
import { peerConnectionSlots } from '@petrel/peer-connection';
import { type CloseMessage, RTCPeerConnection } from 'petrel';
import { Browser, type BrowserName } from '../../packages/interop/src/browser.ts';
import type { BrowserPage } from '../../packages/interop/src/browser-page.ts';
import { LossyRelay } from '../../packages/interop/src/lossy-relay.ts';
import { findPeer, installCommand } from '../../packages/interop/src/peers.ts';
import { now, pause, Session, until } from '../../packages/interop/src/session.ts';
import { TestMedia } from '../../packages/interop/src/test-media.ts';
import { seededRandom } from '../../packages/testing/src/seeded-random.ts';
import { formatTable, median } from '../bench/lib/table.ts';

const isSmall = process.argv.includes('--small');
const closes = isSmall ? 2 : Number(process.argv[process.argv.indexOf('--closes') + 1] || 10) || 10;
const rounds = isSmall ? 1 : 2;
const DOCUMENT = 'docs/closing.md';

type Cells = readonly (string | number)[];
interface PageSign {
  readonly name: string;
  readonly at: number;
  readonly detail?: string;
}

// How the server may end it ---------------------------------------------------------------------------------------------

interface Way {
  readonly name: string;
  readonly end: (pc: RTCPeerConnection) => void;
}

const REASON = 'that was all';
const ORDERS: readonly (readonly CloseMessage[])[] = [
  ['bye', 'abort', 'close_notify'],
  ['abort', 'bye', 'close_notify'],
  ['bye', 'close_notify', 'abort'],
  ['abort', 'close_notify', 'bye'],
  ['close_notify', 'bye', 'abort'],
  ['close_notify', 'abort', 'bye'],
];
const WAYS: readonly Way[] = [
  ...[...ORDERS, ['close_notify'] as const, ['abort'] as const, ['bye'] as const].map((sequence) => ({
    name:
      sequence.map((message) => (message === 'close_notify' ? message : message.toUpperCase())).join(', ') +
      (sequence.length === 1 ? ' only' : ''),
    end: (pc: RTCPeerConnection) => pc.close({ reason: REASON, sequence: [...sequence] }),
  })),
  {
    name: 'fatal alert',
    end: (pc) => {
      for (const { driver } of peerConnectionSlots(pc).allTransports) driver.input(({ dtls }) => dtls?.abort('internal_error'));
      pc.close({ linger: 0 });
    },
  },
  { name: 'nothing at all', end: (pc) => pc.close({ sequence: [], linger: 0 }) },
];

// How the page may ----------------------------------------------------------------------------------------------------

interface PageEnding {
  readonly name: string;
  readonly helper: boolean;
  readonly kills?: boolean;
  /** How long to watch, in milliseconds. */
  readonly patience: number;
  readonly end: (page: BrowserPage, browser: Browser) => Promise<unknown> | void;
}

const closeTab = (page: BrowserPage): void => void page.evaluate(() => window.close()).catch(() => undefined);
const PAGE_ENDINGS: readonly PageEnding[] = [
  { name: '1. calls `pc.close()`', helper: false, patience: 1000, end: (page) => page.evaluate(() => peer.pc.close()) },
  { name: '2. tab closed, with `petrel/page`', helper: true, patience: 3000, end: closeTab },
  { name: '3. tab closed, without it', helper: false, patience: 45_000, end: closeTab },
  { name: '4. browser killed', helper: false, patience: 45_000, kills: true, end: (_page, browser) => browser.kill() },
];

// The tables ------------------------------------------------------------------------------------------------------------

const media = new TestMedia();
const tables = new Map<string, string>();
const versions: string[] = [];
const orders: Cells[] = [];
const losses: Cells[] = [];
const pages: Cells[] = [];
for (const name of ['chromium', 'firefox'] as const) {
  if (findPeer(name) === undefined) {
    console.log(`${name} is missing: ${installCommand(name)}`);
    continue;
  }
  await measure(name);
}
media.stop();
tables.set('versions', `Measured with ${versions.join(' and ')}.`);
const ORDER_COLUMNS = ['said', 'browser', 'channel `error`', 'channel `close`', 'SCTP', 'DTLS', 'video', '`connectionState`', 'we heard'];
tables.set('orders', formatTable(ORDER_COLUMNS, orders.toSorted(byWay)));
const LOSS_COLUMNS = [
  'browser',
  'lost',
  'closes',
  'a sign ≤ 1 s',
  'DTLS closed ≤ 1 s',
  'median ms',
  '95 % ms',
  'worst ms',
  'reason shown',
  'heard',
  'datagrams',
];
tables.set('losses', formatTable(LOSS_COLUMNS, losses));
const PAGE_COLUMNS = ['the page', 'browser', 'channel `close`', 'DTLS closed', 'tracks `ended`', '`connectionState`', '`closed`'];
tables.set(
  'pages',
  formatTable(
    PAGE_COLUMNS,
    pages.toSorted((a, b) => String(a[0]).localeCompare(String(b[0]))),
  ),
);
for (const table of tables.values()) console.log(`\n${table}`);
if (!isSmall) write();
process.exit();

function byWay(one: Cells, other: Cells): number {
  const index = (row: Cells): number => WAYS.findIndex(({ name }) => name === row[0]);
  return index(one) - index(other);
}

async function measure(name: BrowserName): Promise<void> {
  let browser = await Browser.launch(name);
  versions.push(browser.version);
  try {
    for (const way of isSmall ? WAYS.slice(0, 1) : WAYS) note(orders, await measureWay(browser, way));
    for (const percent of [0, 10, 30, 50]) note(losses, await measureLoss(browser, percent));
    for (const how of isSmall ? PAGE_ENDINGS.slice(0, 2) : PAGE_ENDINGS) {
      note(pages, await measurePage(browser, how));
      if (how.kills) browser = await Browser.launch(name);
    }
  } finally {
    await browser.close();
  }
}

/** Progress, too. */
function note(rows: Cells[], row: Cells): void {
  rows.push(row);
  console.error(row.join(' | '));
}

/** On a machine that does something else, too, a connection may take longer than a page waits. */
async function connect(page: BrowserPage, relay?: LossyRelay, helper = false): Promise<Session> {
  for (let attempt = 1; ; attempt++) {
    const session = new Session(page);
    session.relay = relay;
    session.pc.addTrack(media.video.track);
    session.pc.addTrack(media.audio.track);
    try {
      await session.connect('the browser offers', { receive: ['video', 'audio'], send: ['video', 'audio'], channel: true, helper });
      await session.event('video unmute');
      await until(() => page.evaluate(() => peer.events.some(({ name }) => name === 'video unmute')), Boolean, 5000);
      await pause(200);
      return session;
    } catch (error) {
      console.error(
        `attempt ${attempt}: ${(error as Error).message}; page: ${(await page.evaluate(() => peer.events)).map(({ name }) => name).join(', ')}`,
      );
      session.end();
      if (attempt === 3) throw error;
    }
  }
}

// What the server's ways do to a page -------------------------------------------------------------------------------------

async function measureWay({ name, page }: Browser, way: Way): Promise<Cells> {
  const seen: { readonly signs: Map<string, PageSign & { readonly after: number }>; readonly heard: string }[] = [];
  for (let round = 0; round < rounds; round++) {
    const session = await connect(page);
    const called = now();
    way.end(session.pc);
    await pause(4500);
    const events = await page.evaluate(() => peer.events as PageSign[]);
    const signs = new Map(after(events, called).map((sign) => [sign.name, { ...sign, after: sign.at - called }]));
    seen.push({ signs, heard: (await session.pc.closed).heard });
  }
  const delay = (sign: string): string => {
    const delays = seen.flatMap(({ signs }) => signs.get(sign)?.after ?? []);
    return delays.length === 0 ? '–' : `${median(delays).toFixed(0)} ms`;
  };
  const error = seen[0]!.signs.get('channel error');
  const state = ['failed', 'disconnected'].find((one) => seen[0]!.signs.has(`connection ${one}`));
  return [
    way.name,
    name,
    error === undefined ? '–' : error.detail?.includes(REASON) ? `**with the reason**, ${delay('channel error')}` : delay('channel error'),
    delay('channel close'),
    seen[0]!.signs.has('sctp closed') ? `closed, ${delay('sctp closed')}` : '–',
    seen[0]!.signs.has('dtls failed')
      ? `failed, ${delay('dtls failed')}`
      : seen[0]!.signs.has('dtls closed')
        ? `closed, ${delay('dtls closed')}`
        : '–',
    seen[0]!.signs.has('video mute') ? `muted, ${delay('video mute')}` : '–',
    state === undefined ? '–' : `${state}, ${delay(`connection ${state}`)}`,
    seen[0]!.heard,
  ];
}

/** Browsers round their clocks: what was noticed at once may seem to have been noticed before. */
function after(events: readonly PageSign[], called: number): PageSign[] {
  return events.filter(({ at }) => at >= called - 50).map((sign) => ({ ...sign, at: Math.max(sign.at, called) }));
}

// Loss -----------------------------------------------------------------------------------------------------------------

async function measureLoss({ name, page }: Browser, percent: number): Promise<Cells> {
  const random = seededRandom(percent + 1).fraction;
  const first: number[] = [];
  const dtls: number[] = [];
  const heard = new Map<string, number>();
  let reasons = 0;
  let datagrams = 0;
  for (let round = 0; round < closes; round++) {
    const relay = await LossyRelay.open(ownAddress(), random);
    const session = await connect(page, relay);
    relay.loss = percent / 100;
    const called = now();
    session.pc.close({ reason: REASON });
    await page.evaluate(() => Promise.race([peer.event('dtls closed'), new Promise((resolve) => setTimeout(resolve, 3000))]));
    const report = await session.pc.closed;
    const signs = after(await page.evaluate(() => peer.events as PageSign[]), called);
    first.push((signs.find(({ name: sign }) => /^(?:channel close|sctp closed|dtls closed)$/.test(sign))?.at ?? Infinity) - called);
    dtls.push((signs.find(({ name: sign }) => sign === 'dtls closed')?.at ?? Infinity) - called);
    if (signs.some(({ detail }) => detail?.includes(REASON))) reasons += 1;
    heard.set(report.heard, (heard.get(report.heard) ?? 0) + 1);
    datagrams += report.sent.reduce((sum, { count }) => sum + count, 0);
    relay.close();
  }
  const sorted = dtls.toSorted((a, b) => a - b);
  const within = (delays: readonly number[]): string => `${Math.round((100 * delays.filter((delay) => delay <= 1000).length) / closes)} %`;
  return [
    name,
    `${percent} %`,
    closes,
    within(first),
    within(dtls),
    median(sorted).toFixed(0),
    sorted[Math.ceil(0.95 * closes) - 1]!.toFixed(0),
    sorted.at(-1)!.toFixed(0),
    reasons,
    [...heard].map(([what, count]) => `${what} ${count}`).join(', '),
    (datagrams / closes).toFixed(1),
  ];
}

/** One that browsers use for candidates, too. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  return (all.find(({ family, internal }) => family === 'IPv4' && !internal) ?? { address: '127.0.0.1' }).address;
}

// The page ends it -------------------------------------------------------------------------------------------------------

async function measurePage(browser: Browser, { name, helper, patience, end }: PageEnding): Promise<Cells> {
  const page = await browser.openPage();
  const session = await connect(page, undefined, helper);
  const called = now();
  await end(page, browser);
  const isOver = (events: typeof session.events): boolean =>
    events.some(({ name: sign }) => sign === 'video ended' || sign === 'connection failed');
  await until(() => session.events, isOver, patience).catch(() => undefined);
  await pause(100);
  const delay = (sign: string): string => {
    const event = session.events.find((one) => one.name === sign && one.at >= called - 50);
    const ms = event && Math.max(0, event.at - called);
    return ms === undefined ? '–' : ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;
  };
  const states = ['disconnected', 'failed'].filter((one) => delay(`connection ${one}`) !== '–');
  session.end();
  const { by, heard } = await session.pc.closed;
  return [
    name,
    browser.name,
    delay('channel close'),
    delay('dtls closed'),
    delay('video ended'),
    states.map((state) => `${state} ${delay(`connection ${state}`)}`).join(', ') || (by === 'remote' ? 'closed (autoClose)' : '–'),
    `by ${by}, heard ${heard}`,
  ];
}

// The document -----------------------------------------------------------------------------------------------------------

/** Each table stands between two comments. */
function write(): void {
  let text = readFileSync(DOCUMENT, 'utf8');
  for (const [name, table] of tables) {
    const [begin, end] = [`<!-- close-matrix: ${name} -->`, `<!-- end of ${name} -->`];
    if (!text.includes(begin) || !text.includes(end)) throw new Error(`${DOCUMENT} has no place for ${name}`);
    text = `${text.slice(0, text.indexOf(begin) + begin.length)}\n\n${table}\n\n${text.slice(text.indexOf(end))}`;
  }
  writeFileSync(DOCUMENT, text);
}
