// A WebRTC stack with the W3C's API as a peer of a test: node w3c-peer.mjs <@roamhq/wrtc | node-datachannel>, from .cache/peers (scripts/install-peers.mjs).
// A command is a line of JSON on stdin, `{ id, command, … }`, its answer a line on stdout, `{ id, … }` or `{ id, error }`.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const name = process.argv[2];
const require = createRequire(new URL('../../../.cache/peers/', import.meta.url));
const { RTCPeerConnection } = require(name === 'node-datachannel' ? 'node-datachannel/polyfill' : name);
let pc;
let channel;
let echoes = [];
/** What the connection has noticed, in milliseconds since the Unix epoch. */
let events = [];

const commands = {
  create({ iceServers = [], relayOnly = false, channel: makesChannel = false }) {
    pc?.close();
    echoes = [];
    events = [];
    channel = undefined;
    pc = new RTCPeerConnection({ iceServers, iceTransportPolicy: relayOnly ? 'relay' : 'all' });
    pc.onconnectionstatechange = () => note(`connection ${pc.connectionState}`);
    pc.ontrack = ({ track }) => {
      for (const what of ['mute', 'unmute', 'ended']) track.addEventListener(what, () => note(`track ${what}`));
    };
    pc.ondatachannel = (event) => watch(event.channel, true);
    if (makesChannel) watch(pc.createDataChannel('test'), false);
  },
  async offer({ iceRestart = false }) {
    if (iceRestart) pc.restartIce?.();
    await pc.setLocalDescription(await pc.createOffer({ iceRestart }));
    return { sdp: await completeDescription() };
  },
  async answer({ sdp }) {
    await pc.setRemoteDescription({ type: 'offer', sdp });
    await pc.setLocalDescription(await pc.createAnswer());
    return { sdp: await completeDescription() };
  },
  async accept({ sdp }) {
    await pc.setRemoteDescription({ type: 'answer', sdp });
  },
  /** Sends messages over the channel that it made, and waits until all have come back. */
  async echo({ count }) {
    await until(() => channel?.readyState === 'open');
    echoes = [];
    const sent = Array.from({ length: count }, (_, index) => `${index} ${'x'.repeat(index * 50)}`);
    for (const text of sent) channel.send(text);
    await until(() => echoes.length === count);
    return { same: echoes.every((text, index) => text === sent[index]) };
  },
  noticed: () => ({ events }),
  state: () => ({ connection: pc.connectionState, ice: pc.iceConnectionState }),
  close() {
    pc.close();
  },
};

function note(what) {
  events.push({ name: what, at: performance.timeOrigin + performance.now() });
}

function watch(made, returns) {
  channel = made;
  made.onclose = () => note('channel close');
  made.onerror = ({ error }) => note(`channel error ${error?.message ?? ''}`.trim());
  made.onmessage = ({ data }) => (returns ? made.send(data) : echoes.push(data));
}

async function completeDescription() {
  await until(() => pc.iceGatheringState === 'complete');
  return pc.localDescription.sdp;
}

async function until(condition) {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 15_000) throw new Error(`waited in vain: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

process.stdout.write('{"ready":true}\n');
for await (const line of createInterface({ input: process.stdin })) {
  const { id, command, ...parameters } = JSON.parse(line);
  try {
    process.stdout.write(`${JSON.stringify({ id, ...(await commands[command](parameters)) })}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ id, error: String(error?.message ?? error) })}\n`);
  }
}
process.exit();
