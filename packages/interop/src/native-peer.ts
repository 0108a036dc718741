/**
 * A process with another WebRTC stack for Node, run by {@link NativePeer}: takes functions, runs them, sends back what they give. They find `peer` and `exchange`, as
 * in the pages of a browser.
 */
import { createRequire } from 'node:module';
import * as exchange from './data-exchange.ts';
import type { PageEvent } from './page-peer.ts';

const [folder, name] = process.argv.slice(2);
const load = createRequire(`${folder}/package.json`);
const stack = name === 'wrtc' ? load('@roamhq/wrtc') : load('node-datachannel/polyfill');
const { RTCPeerConnection } = stack as { RTCPeerConnection: new () => RTCPeerConnection };
const waiting: { name: string; resolve: (event: PageEvent) => void }[] = [];

const peer = {
  pc: new RTCPeerConnection(),
  channel: undefined as RTCDataChannel | undefined,
  events: [] as PageEvent[],
  create({ channel = false }: { channel?: boolean }): void {
    peer.pc.close();
    peer.events = [];
    const pc = new RTCPeerConnection();
    peer.pc = pc;
    peer.channel = channel ? pc.createDataChannel('test') : undefined;
    if (peer.channel) watch(peer.channel);
    pc.ondatachannel = (event) => {
      if (event.channel.label === 'test') watch((peer.channel = event.channel));
    };
    pc.onconnectionstatechange = () => note(`connection ${pc.connectionState}`);
  },
  async offer(): Promise<string> {
    return await describe(await peer.pc.createOffer());
  },
  async answer(sdp: string): Promise<string> {
    await peer.pc.setRemoteDescription({ type: 'offer', sdp });
    return await describe(await peer.pc.createAnswer());
  },
  async accept(sdp: string): Promise<void> {
    await peer.pc.setRemoteDescription({ type: 'answer', sdp });
  },
  event: (wanted: string): Promise<PageEvent> => {
    const past = peer.events.find((event) => event.name === wanted);
    return past ? Promise.resolve(past) : new Promise((resolve) => waiting.push({ name: wanted, resolve }));
  },
};
Object.assign(globalThis, { peer, exchange });

process.on('message', async ({ id, source, argument }: { id: number; source: string; argument: unknown }) => {
  try {
    // oxlint-disable-next-line no-eval -- the function sees what is global here
    process.send!({ id, value: await (0, eval)(`(${source})`)(argument) });
  } catch (error) {
    process.send!({ id, error: String(error) });
  }
});
process.on('disconnect', () => process.exit());

async function describe(description: RTCSessionDescriptionInit): Promise<string> {
  const { pc } = peer;
  await pc.setLocalDescription(description);
  while (pc.iceGatheringState !== 'complete') await new Promise((resolve) => setTimeout(resolve, 5));
  return pc.localDescription!.sdp;
}

function watch(channel: RTCDataChannel): void {
  channel.binaryType = 'arraybuffer';
  for (const event of ['open', 'closing', 'close']) channel.addEventListener(event, () => note(`channel ${event}`));
  if (channel.readyState === 'open') note('channel open');
}

function note(event: string): void {
  const entry = { at: performance.timeOrigin + performance.now(), name: event };
  peer.events.push(entry);
  for (const one of waiting) if (one.name === event) one.resolve(entry);
}
