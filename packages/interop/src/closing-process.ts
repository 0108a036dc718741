/**
 * A process with connections to another one of its kind, run by process-close.test.ts: `node closing-process.mjs COUNT [behaviour]`. Descriptions and
 * candidates come and go as messages of the parent's; what happened is told the same way. `offer` behaviours end the process, each in its way.
 */
import { goodbyeOnExit, RTCPeerConnection, type RTCSessionDescriptionInit } from 'petrel';

type Message =
  | { readonly type: 'description'; readonly index: number; readonly description: RTCSessionDescriptionInit }
  | { readonly type: 'end'; readonly how: Ending };

export type Ending = 'signal' | 'exit' | 'run out';

const count = Number(process.argv[2]);
const offers = process.argv[3] === 'offer';
const connections = new Map<number, RTCPeerConnection>();
const thrown: string[] = [];
let open = 0;

process.on('message', (message: Message) => {
  if (message.type === 'end') end(message.how);
  else void take(message.index, message.description);
});
process.on('uncaughtException', (error) => thrown.push(error.message));

const certificate = await RTCPeerConnection.generateCertificate({ name: 'ECDSA', namedCurve: 'P-256' });
if (offers) for (let index = 0; index < count; index++) void beginOffer(index);

async function beginOffer(index: number): Promise<void> {
  const pc = connection(index);
  const channel = pc.createDataChannel('x');
  channel.onopen = opened;
  await pc.setLocalDescription();
  await describe(index, pc);
}

async function take(index: number, description: RTCSessionDescriptionInit): Promise<void> {
  const pc = connections.get(index) ?? connection(index);
  await pc.setRemoteDescription(description);
  if (offers) return;
  pc.ondatachannel = ({ channel }) => {
    channel.onclose = () => tell({ type: 'channel closed', index });
    opened();
  };
  await pc.setLocalDescription();
  await describe(index, pc);
}

function connection(index: number): RTCPeerConnection {
  const pc = new RTCPeerConnection({ certificates: [certificate], autoClose: true });
  connections.set(index, pc);
  pc.onremoteclose = ({ reason }) => {
    tell({ type: 'remoteclose', index, reason });
  };
  return pc;
}

async function describe(index: number, pc: RTCPeerConnection): Promise<void> {
  await pc.iceGatheringComplete;
  const { type, sdp } = pc.localDescription!;
  tell({ type: 'description', index, description: { type, sdp } });
}

function opened(): void {
  if (++open === count) tell({ type: 'open' });
}

function end(how: Ending): void {
  process.disconnect();
  if (how === 'exit') {
    goodbyeOnExit({ reason: 'the process exits' });
    process.exit(3);
  }
  if (how === 'signal') {
    goodbyeOnExit({ reason: 'the process was told to end' });
    process.kill(process.pid, 'SIGTERM');
  }
  // Fires only if something else keeps the process alive: the open connections do.
  if (how === 'run out') setTimeout(closeAll, 500).unref();
}

/** With handlers that throw: what they would interrupt goes on. */
function closeAll(): void {
  process.on('exit', () => process.stdout.write(`${JSON.stringify(thrown)}\n`));
  for (const pc of connections.values()) {
    pc.sctp!.onstatechange = fail;
    pc.close({ reason: 'closed' });
  }
}

function fail(): never {
  throw new Error('a handler of the application');
}

function tell(message: object): void {
  if (process.connected) process.send?.(message);
}
