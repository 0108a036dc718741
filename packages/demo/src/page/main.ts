import type { FeedEntry } from '../feed.ts';
import { measureClockOffset, now } from './clock.ts';
import { Messages } from './messages.ts';
import { Player } from './player.ts';
import { States } from './states.ts';
import { Timeline } from './timeline.ts';
import { type Ending, Verdict } from './verdict.ts';
import { Viewer } from './viewer.ts';

const timeline = new Timeline(element('rows'), element('follow'), element('filters'));
const states = new States(element('states'), ['connection', 'ICE', 'DTLS', 'SCTP', 'channel', 'video', 'audio']);
const player = new Player(element('player'));
const messages = new Messages(element('messages'));
const verdict = new Verdict(element('verdict'));
const helper = element<HTMLInputElement>('helper');
const text = element<HTMLInputElement>('text');
const endings = { serverCloses: button('server-closes'), pageCloses: button('page-closes'), serverDies: button('server-dies') };
let viewer: Viewer | undefined;
let feed: EventSource | undefined;

endings.serverCloses.onclick = () => end('server-closes', 'Server closes', (location) => fetch(location, { method: 'DELETE' }));
endings.serverDies.onclick = () =>
  end('server-dies', 'Server dies without a goodbye', (location) => fetch(`${location}/kill`, { method: 'POST' }));
endings.pageCloses.onclick = () => end('page-closes', 'Page closes', () => viewer?.close());
button('reconnect').onclick = () => void connect();
helper.onchange = () => void connect();
element<HTMLFormElement>('say').onsubmit = (event) => {
  event.preventDefault();
  if (text.value !== '') send(text.value);
  text.value = '';
};
button('large').onclick = () => send(new ArrayBuffer(256 * 1024));
player.onstill = (still) => timeline.page(now(), still ? 'the picture stands still' : 'the picture moves', 'soft');
await connect();

async function connect(): Promise<void> {
  viewer?.close();
  feed?.close();
  verdict.clear();
  messages.clear();
  player.clear();
  states.clear();
  setConnected(false);
  timeline.mark(now(), helper.checked ? 'Connect' : 'Connect, without petrel/page');
  const mine = createViewer();
  viewer = mine;
  try {
    await mine.connect();
    await follow(mine);
  } catch (error) {
    timeline.page(now(), `no connection: ${error instanceof Error ? error.message : String(error)}`, 'end');
  }
}

function createViewer(): Viewer {
  const mine: Viewer = new Viewer(
    {
      notice: (what, style) => mine === viewer && notice(what, style),
      state: (name, state) => mine === viewer && changed(name, state),
      stream: (stream) => player.show(stream),
      message: (data) => messages.received(data),
      closedWithServer: (reason) => {
        timeline.page(now(), `petrel/page: closed with the server${reason === '' ? '' : ` (“${reason}”)`}`);
        mine.close();
        setConnected(false);
      },
    },
    { helper: helper.checked },
  );
  return mine;
}

/** The server's side, from the beginning of the connection. */
async function follow(mine: Viewer): Promise<void> {
  const offset = await measureClockOffset();
  if (mine !== viewer) return;
  const source = new EventSource(`${mine.location}/feed`);
  feed = source;
  source.onmessage = ({ data }: MessageEvent<string>) => {
    const entry: FeedEntry = JSON.parse(data);
    timeline.server(entry.at - offset, entry);
    verdict.serverSaid(entry.at - offset, entry);
    if (entry.kind !== 'exit') return;
    source.close();
    setConnected(false);
  };
}

function end(ending: Ending, title: string, act: (location: string) => unknown): void {
  const at = now();
  timeline.mark(at, title);
  verdict.begin(ending, at);
  setConnected(false);
  act(viewer?.location ?? '');
}

function notice(what: string, style: '' | 'soft' | 'end'): void {
  const at = now();
  timeline.page(at, what, style);
  if (style === 'end') verdict.pageNoticed(at, what);
}

function changed(name: string, state: string): void {
  states.set(name, state);
  if (name === 'channel' && state === 'open') setConnected(true);
}

function send(data: string | ArrayBuffer): void {
  viewer?.send(data);
  messages.sent(data);
}

function setConnected(connected: boolean): void {
  button('reconnect').classList.toggle('next', !connected);
  for (const each of [...Object.values(endings), button('large')]) each.disabled = !connected;
  element<HTMLFormElement>('say')
    .querySelectorAll<HTMLInputElement | HTMLButtonElement>('input, button')
    .forEach((each) => {
      each.disabled = !connected;
    });
}

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}

function button(id: string): HTMLButtonElement {
  return element<HTMLButtonElement>(id);
}
