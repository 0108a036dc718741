/**
 * A connection between two network namespaces whose interfaces go away, run by vanishing-interfaces.test.ts in a namespace of its own:
 * `unshare -rn node vanishing-interfaces.mjs`. It starts its peer in another one; pairs of virtual Ethernet interfaces join them.
 *
 * ```
 *   us        peer
 *   10.77.1.1 ─── 10.77.1.2
 *   10.77.2.1 ─── 10.77.2.2
 * ```
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { type RTCIceCandidateInit, RTCPeerConnection, type RTCSessionDescriptionInit } from 'petrel';

/** What it prints, as one line of JSON. Times in milliseconds since the interface went or came. */
export interface VanishingReport {
  /** After the first interface was deleted, which had the connection: until messages came back over the other one. */
  readonly moved: number;
  readonly addresses: readonly (string | null)[];
  /** After there was none: until the state said so. */
  readonly disconnected: number;
  /** With a new interface, after an ICE restart. */
  readonly restarted: number;
  readonly states: readonly string[];
  /** Messages that came back, and whether they were those that were sent, in order. */
  readonly echoes: number;
  readonly inOrder: boolean;
  /** Of both processes. */
  readonly uncaught: readonly string[];
}

type Message =
  | { readonly type: 'ready' }
  | { readonly type: 'link'; readonly index: number }
  | { readonly type: 'linked' }
  | { readonly type: 'description'; readonly description: RTCSessionDescriptionInit }
  | { readonly type: 'candidate'; readonly candidate: RTCIceCandidateInit }
  | { readonly type: 'end' }
  | { readonly type: 'ended'; readonly uncaught: readonly string[] };

const uncaught: string[] = [];
process.on('uncaughtException', (error) => uncaught.push(String(error)));
process.on('unhandledRejection', (error) => uncaught.push(String(error)));

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

function configure(name: string, address: string): void {
  ip('addr', 'add', `${address}/24`, 'dev', name);
  ip('link', 'set', name, 'up');
}

if (process.argv[2] === 'peer') answer();
else
  await offer().catch((error) => {
    process.stderr.write(`${String(error)} ${uncaught.join()}\n`);
    process.exit(1);
  });

// The peer -------------------------------------------------------------------------------------------------------------

function answer(): void {
  const pc = new RTCPeerConnection();
  pc.ondatachannel = ({ channel }) => {
    channel.onmessage = ({ data }) => channel.send(data);
  };
  pc.onicecandidate = ({ candidate }) => candidate && tell({ type: 'candidate', candidate: candidate.toJSON() });
  process.on('message', (message: Message) => {
    if (message.type === 'link') {
      configure(`theirs${message.index}`, `10.77.${message.index}.2`);
      tell({ type: 'linked' });
    } else if (message.type === 'description')
      void take(pc, message.description).then((description) => tell({ type: 'description', description }));
    else if (message.type === 'candidate') void pc.addIceCandidate(message.candidate);
    else if (message.type === 'end') {
      pc.close();
      void pc.closed.then(() => {
        tell({ type: 'ended', uncaught });
        process.disconnect();
      });
    }
  });
  tell({ type: 'ready' });
}

function tell(message: Message): void {
  process.send!(message);
}

async function take(pc: RTCPeerConnection, offered: RTCSessionDescriptionInit): Promise<RTCSessionDescriptionInit> {
  await pc.setRemoteDescription(offered);
  await pc.setLocalDescription();
  return { type: 'answer', sdp: pc.localDescription!.sdp };
}

// We -------------------------------------------------------------------------------------------------------------------

async function offer(): Promise<void> {
  const peer = spawn('unshare', ['-n', process.execPath, process.argv[1]!, 'peer'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await next(peer, 'ready');
  for (const index of [1, 2]) await link(peer, index);
  const pc = new RTCPeerConnection();
  const states: string[] = [];
  pc.onconnectionstatechange = () => states.push(pc.connectionState);
  pc.onicecandidate = ({ candidate }) => candidate && peer.send({ type: 'candidate', candidate: candidate.toJSON() } satisfies Message);
  peer.on('message', (message: Message) => {
    if (message.type === 'candidate') void pc.addIceCandidate(message.candidate);
  });
  const channel = pc.createDataChannel('echo');
  let sent = 0;
  /** How much was sent before the last change. */
  let mark = 0;
  const echoes: string[] = [];
  channel.onmessage = ({ data }) => echoes.push(String(data));
  const opened = new Promise<void>((resolve) => (channel.onopen = () => resolve()));
  await negotiate(pc, peer);
  await opened;
  const timer = setInterval(() => channel.send(String(sent++)), 20);
  await until(() => echoes.length > 20);

  const address = (): string | null => pc.sctp!.transport.iceTransport.getSelectedCandidatePair()!.local.address;
  const addresses = [address()];
  const first = Number(addresses[0]!.split('.')[2]);
  const moved = await timed(
    () => unlink(first),
    () => recovered(),
  );
  addresses.push(address());
  const disconnected = await timed(
    () => unlink(3 - first),
    () => pc.connectionState === 'disconnected' || pc.connectionState === 'failed',
  );
  await link(peer, 3);
  pc.restartIce();
  const negotiated = negotiate(pc, peer);
  const restarted = await timed(
    () => {},
    () => recovered(),
  );
  await negotiated;
  addresses.push(address());

  clearInterval(timer);
  await until(() => echoes.length === sent);
  const inOrder = echoes.every((text, index) => text === String(index));
  pc.close();
  peer.send({ type: 'end' } satisfies Message);
  const ended = await next(peer, 'ended');
  await pc.closed;
  const report: VanishingReport = {
    moved,
    addresses,
    disconnected,
    restarted,
    states,
    echoes: echoes.length,
    inOrder,
    uncaught: [...uncaught, ...ended.uncaught],
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);

  /** What was sent after the call has come back. */
  function recovered(): boolean {
    return echoes.length >= mark + 10;
  }

  async function timed(change: () => void, condition: () => boolean): Promise<number> {
    change();
    mark = sent;
    const before = performance.now();
    await until(condition);
    return performance.now() - before;
  }
}

async function link(peer: ChildProcess, index: number): Promise<void> {
  ip('link', 'add', `ours${index}`, 'type', 'veth', 'peer', 'name', `theirs${index}`);
  ip('link', 'set', `theirs${index}`, 'netns', String(peer.pid));
  configure(`ours${index}`, `10.77.${index}.1`);
  peer.send({ type: 'link', index } satisfies Message);
  await next(peer, 'linked');
}

/** Both ends go. */
function unlink(index: number): void {
  ip('link', 'delete', `ours${index}`);
}

async function negotiate(pc: RTCPeerConnection, peer: ChildProcess): Promise<void> {
  await pc.setLocalDescription();
  peer.send({ type: 'description', description: { type: 'offer', sdp: pc.localDescription!.sdp } } satisfies Message);
  await pc.setRemoteDescription((await next(peer, 'description')).description);
}

function next<Type extends Message['type']>(peer: ChildProcess, type: Type): Promise<Extract<Message, { type: Type }>> {
  return new Promise((resolve, reject) => {
    const listener = (message: Message): void => {
      if (message.type !== type) return;
      peer.off('message', listener);
      resolve(message as Extract<Message, { type: Type }>);
    };
    peer.on('message', listener);
    peer.once('exit', (code) => reject(new Error(`the peer has ended: ${code}`)));
  });
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 45_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
