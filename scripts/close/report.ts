/**
 * `npm run close-report`: connects two ends in this process, with media and a channel, closes one, and prints the ladder: everything on the wire from the
 * first goodbye on, as the closing side saw it, with times in milliseconds, layers, DTLS epoch and record number, and what was heard.
 * `-- --loss 30` loses so many percent of all datagrams after the call; `-- --sequence abort,bye` says something else; `-- --linger 0` says it once.
 */
import { parseArgs } from 'node:util';
import {
  type CloseMessage,
  NodeRuntime,
  RTCPeerConnection,
  RtpSource,
  type Runtime,
  type UdpOptions,
  type DatagramHandler,
  type UdpSocket,
} from 'petrel';
import type { FeedEntry } from '../../packages/demo/src/feed.ts';
import { closingLadder } from '../../packages/demo/src/ladder.ts';
import { codecNames, WireLog } from '../../packages/demo/src/wire-log.ts';

const { values } = parseArgs({
  options: {
    loss: { type: 'string', default: '0' },
    sequence: { type: 'string' },
    linger: { type: 'string' },
    reason: { type: 'string', default: 'that was all' },
  },
});
let loss = 0;

/** Loses what it is told to, on the way out. */
class LossyRuntime extends NodeRuntime implements Runtime {
  override async bindUdp(options: UdpOptions, handler: DatagramHandler): Promise<UdpSocket> {
    const socket = await super.bindUdp(options, handler);
    const send = socket.send.bind(socket);
    socket.send = (data, address, port) => {
      if (Math.random() >= loss) send(data, address, port);
    };
    return socket;
  }
}

const [a, b] = [new RTCPeerConnection({}, new LossyRuntime()), new RTCPeerConnection({ autoClose: true }, new LossyRuntime())];
const entries: FeedEntry[] = [];
let codec: (payloadType: number) => string | undefined = () => undefined;
const wire = new WireLog(
  ({ at, direction, layer, summary, bytes }) => entries.push({ kind: 'packet', at, direction, layer, summary, bytes }),
  (payloadType) => codec(payloadType),
);
await connect();
a.tap = (record) => wire.add(record);
loss = Number(values.loss) / 100;
entries.push({ kind: 'note', at: performance.now(), text: 'the server closes: pc.close()' });
a.close({
  reason: values.reason,
  ...(values.sequence === undefined ? {} : { sequence: values.sequence.split(',').filter(Boolean) as CloseMessage[] }),
  ...(values.linger === undefined ? {} : { linger: Number(values.linger) }),
});
const report = await a.closed;
entries.push({ kind: 'closed', at: performance.now(), report });
wire.flush();
console.log(closingLadder(entries).join('\n'));
console.log(`\nsent:`);
for (const { at, layer, message, count, bytes } of report.sent)
  console.log(`${at.toFixed(1).padStart(9)}  ${layer.padEnd(4)}  ${message}  (${count} datagram${count === 1 ? '' : 's'}, ${bytes} bytes)`);
process.exit();

async function connect(): Promise<void> {
  const source = new RtpSource('audio', { mimeType: 'audio/opus' });
  a.addTrack(source.track);
  const channel = a.createDataChannel('x');
  const opened = new Promise((resolve) => (channel.onopen = resolve));
  await a.setLocalDescription();
  await a.iceGatheringComplete;
  await b.setRemoteDescription(a.localDescription!);
  await b.setLocalDescription();
  await b.iceGatheringComplete;
  await a.setRemoteDescription(b.localDescription!);
  codec = codecNames(b.localDescription!.sdp);
  await opened;
  let sequenceNumber = 0;
  setInterval(
    () => source.write(Uint8Array.from([0x80, 111, 0, ++sequenceNumber & 0xff, 0, 0, sequenceNumber & 0xff, 0, 0, 0, 0, 1, 2, 3, 4, 5])),
    20,
  ).unref();
  await new Promise((resolve) => setTimeout(resolve, 300));
}
