/**
 * From `setRemoteDescription` to `connectionState` 'connected' on this machine, descriptions with all their candidates: two connections in one process, and one
 * with a page of a browser. Who offers waits for the answer's candidates, who answers for the other's setRemoteDescription.
 */
import { RTCPeerConnection } from 'petrel';
import { Browser, type BrowserName } from '../../packages/interop/src/browser.ts';
import { findPeer } from '../../packages/interop/src/peers.ts';
import { median, printTable } from './lib/table.ts';

const COUNT = Number(process.env['PETREL_COUNT'] ?? 50);
const WARM_UP = 3;
const certificates = [await RTCPeerConnection.generateCertificate({ name: 'ECDSA', namedCurve: 'P-256' })];
const rows: (string | number)[][] = [];

function connected(pc: RTCPeerConnection): Promise<number> {
  return new Promise((resolve) => {
    pc.onconnectionstatechange = () => pc.connectionState === 'connected' && resolve(performance.now());
  });
}

function report(peer: string, role: string, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  rows.push([peer, role, sorted.length, median(times).toFixed(1), sorted[0]!.toFixed(1), sorted.at(-1)!.toFixed(1)]);
}

async function ourselves(): Promise<void> {
  const times = { offers: [] as number[], answers: [] as number[] };
  for (let i = 0; i < COUNT + WARM_UP; i++) {
    const [a, b] = [new RTCPeerConnection({ certificates }), new RTCPeerConnection({ certificates })];
    a.createDataChannel('x');
    const [atA, atB] = [connected(a), connected(b)];
    await a.setLocalDescription();
    await a.iceGatheringComplete;
    const offered = performance.now();
    await b.setRemoteDescription(a.localDescription!);
    await b.setLocalDescription();
    await b.iceGatheringComplete;
    const answered = performance.now();
    await a.setRemoteDescription(b.localDescription!);
    const [connectedA, connectedB] = await Promise.all([atA, atB]);
    if (i >= WARM_UP) {
      times.offers.push(connectedA - answered);
      times.answers.push(connectedB - offered);
    }
    a.close({ linger: 0 });
    b.close({ linger: 0 });
  }
  report('ourselves', 'offers', times.offers);
  report('ourselves', 'answers', times.answers);
}

async function withBrowser(name: BrowserName): Promise<void> {
  const browser = await Browser.launch(name);
  const times = { offers: [] as number[], answers: [] as number[] };
  for (let i = 0; i < 2 * (COUNT + WARM_UP); i++) {
    const offers = i % 2 === 0;
    const pc = new RTCPeerConnection({ certificates });
    const atUs = connected(pc);
    if (offers) pc.createDataChannel('x');
    await browser.page.evaluate((channel) => peer.create({ channel }), !offers);
    let started: number;
    if (offers) {
      await pc.setLocalDescription();
      await pc.iceGatheringComplete;
      const answer = await browser.page.evaluate((offer) => peer.answer(offer), pc.localDescription!.sdp);
      started = performance.now();
      await pc.setRemoteDescription({ type: 'answer', sdp: answer });
    } else {
      const offer = await browser.page.evaluate(() => peer.offer());
      started = performance.now();
      await pc.setRemoteDescription({ type: 'offer', sdp: offer });
      await pc.setLocalDescription();
      await pc.iceGatheringComplete;
      await browser.page.evaluate((answer) => peer.accept(answer), pc.localDescription!.sdp);
    }
    const time = (await atUs) - started;
    if (i >= 2 * WARM_UP) times[offers ? 'offers' : 'answers'].push(time);
    pc.close({ linger: 0 });
  }
  report(browser.version, 'offers', times.offers);
  report(browser.version, 'answers', times.answers);
  await browser.close();
}

await ourselves();
for (const name of ['chromium', 'firefox'] as const) if (findPeer(name) !== undefined) await withBrowser(name);
printTable(['peer', 'we', 'connections', 'median ms', 'best ms', 'worst ms'], rows);
process.exit();
