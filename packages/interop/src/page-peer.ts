/** Runs in the pages of a {@link Browser}. */
import { closeWithPeer } from 'petrel/page';

/** Something that the page's connection noticed. */
export interface PageEvent {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** `channel close`, `dtls closed`, `video unmute`, … */
  readonly name: string;
  readonly detail?: string;
}

/** What the page receives: from `getStats()`, and from the picture itself. */
export interface Reception {
  readonly framesDecoded: number;
  readonly keyFramesDecoded: number;
  readonly framesReceived: number;
  readonly videoPackets: number;
  readonly packetsLost: number;
  readonly audioEnergy: number;
  readonly audioPackets: number;
  /** A number made of the picture's pixels, 0 while there is no picture. */
  readonly picture: number;
  readonly codecs: readonly string[];
}

export interface ConnectOptions {
  /** What to receive. */
  readonly receive?: readonly ('audio' | 'video')[];
  /** What to send: a canvas with a running number, an oscillator. */
  readonly send?: readonly ('audio' | 'video')[];
  readonly channel?: boolean;
  readonly iceServers?: readonly RTCIceServer[];
  readonly relayOnly?: boolean;
  /** Use petrel/page; it notes `helper closed`. */
  readonly helper?: boolean;
}

/** The page's end of a connection, for tests: `window.peer` in every page of a {@link Browser}. */
export interface PagePeer {
  pc: RTCPeerConnection;
  channel: RTCDataChannel | undefined;
  events: PageEvent[];
  /** A new connection; the one before is closed. */
  create(options: ConnectOptions): void;
  /** With all candidates in it. */
  offer(): Promise<string>;
  answer(offer: string): Promise<string>;
  accept(answer: string): Promise<void>;
  /** Resolves when there is an event of this name, since the connection was made. */
  event(name: string): Promise<PageEvent>;
  reception(): Promise<Reception>;
  /** Sends every message, and compares what the other side echoes. Strings for 'string', else ArrayBuffers. @returns what was wrong. */
  echo(sizes: readonly number[], type: 'string' | 'binary'): Promise<string[]>;
  now(): number;
}

declare global {
  interface Window {
    peer: PagePeer;
  }
  const peer: PagePeer;
}

const video = document.createElement('video');
Object.assign(video, { muted: true, autoplay: true, playsInline: true });
document.body.append(video);
/** What stops the media of the connection before. */
const running: (() => void)[] = [];
const waiting: { name: string; resolve: (event: PageEvent) => void }[] = [];

const self: PagePeer = {
  pc: new RTCPeerConnection(),
  channel: undefined,
  events: [],
  create,
  offer: () => description(),
  async answer(offer) {
    await self.pc.setRemoteDescription({ type: 'offer', sdp: offer });
    const answer = await description();
    watchTransports();
    return answer;
  },
  async accept(answer) {
    await self.pc.setRemoteDescription({ type: 'answer', sdp: answer });
    watchTransports();
  },
  event: (name) => {
    const past = self.events.find((event) => event.name === name);
    return past ? Promise.resolve(past) : new Promise((resolve) => waiting.push({ name, resolve }));
  },
  reception,
  echo,
  now: () => performance.timeOrigin + performance.now(),
};
window.peer = self;

function create({ receive = [], send = [], channel = false, helper = false, iceServers = [], relayOnly = false }: ConnectOptions): void {
  self.pc.close();
  for (const stop of running.splice(0)) stop();
  self.events = [];
  waiting.length = 0;
  const pc = new RTCPeerConnection({ iceServers: [...iceServers], iceTransportPolicy: relayOnly ? 'relay' : 'all' });
  self.pc = pc;
  self.channel = channel ? pc.createDataChannel('test') : undefined;
  if (self.channel) watchChannel(self.channel);
  if (helper) closeWithPeer(pc, self.channel ? [self.channel] : [], (reason) => note('helper closed', reason));
  pc.ondatachannel = (event) => watchChannel((self.channel = event.channel));
  for (const kind of receive) if (!send.includes(kind)) pc.addTransceiver(kind, { direction: 'recvonly' });
  for (const kind of send) {
    // Not addTransceiver: an offer's sections are matched with transceivers made by addTrack only.
    const sender = pc.addTrack(makeTrack(kind));
    const transceiver = pc.getTransceivers().find((each) => each.sender === sender);
    if (transceiver && !receive.includes(kind)) transceiver.direction = 'sendonly';
  }
  pc.onconnectionstatechange = () => note(`connection ${pc.connectionState}`);
  pc.oniceconnectionstatechange = () => note(`ice ${pc.iceConnectionState}`);
  pc.ontrack = ({ track }) => {
    for (const name of ['mute', 'unmute', 'ended']) track.addEventListener(name, () => note(`${track.kind} ${name}`));
    const element = track.kind === 'audio' ? new Audio() : video;
    element.srcObject = new MediaStream([track]);
    element.play().catch(() => undefined);
  };
}

function note(name: string, detail?: string): void {
  const event = { at: self.now(), name, ...(detail === undefined ? {} : { detail }) };
  self.events.push(event);
  for (const each of waiting.filter((one) => one.name === name)) each.resolve(event);
}

function watchChannel(channel: RTCDataChannel): void {
  channel.binaryType = 'arraybuffer';
  for (const name of ['open', 'closing', 'close']) channel.addEventListener(name, () => note(`channel ${name}`));
  channel.addEventListener('error', ({ error }) => note('channel error', error.message));
  if (channel.readyState === 'open') note('channel open');
}

/** Once both descriptions are there: before, BUNDLE may exchange the transports. States reached meanwhile count as noticed. */
function watchTransports(): void {
  const { sctp } = self.pc;
  if (sctp) watchState('sctp', sctp);
  const transport = sctp?.transport ?? self.pc.getReceivers()[0]?.transport;
  if (transport) watchState('dtls', transport);
}

function watchState(name: string, transport: EventTarget & { readonly state: string }): void {
  transport.addEventListener('statechange', () => note(`${name} ${transport.state}`));
  note(`${name} ${transport.state}`);
}

/** The local description with all its candidates. */
async function description(): Promise<string> {
  const { pc } = self;
  await pc.setLocalDescription();
  await new Promise<void>((resolve) => {
    const check = (): void => void (pc.iceGatheringState === 'complete' && resolve());
    pc.addEventListener('icegatheringstatechange', check);
    check();
  });
  return pc.localDescription?.sdp ?? '';
}

function makeTrack(kind: 'audio' | 'video'): MediaStreamTrack {
  if (kind === 'audio') {
    const context = new AudioContext();
    const destination = context.createMediaStreamDestination();
    const oscillator = context.createOscillator();
    oscillator.connect(destination);
    oscillator.start();
    running.push(() => void context.close());
    return destination.stream.getAudioTracks()[0]!;
  }
  const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
  const context = canvas.getContext('2d')!;
  let count = 0;
  const draw = (): void => {
    context.fillStyle = `hsl(${count % 360} 60% 50%)`;
    context.fillRect(0, 0, 320, 240);
    context.fillStyle = 'black';
    context.fillText(String(count++), 100, 120);
  };
  draw();
  const timer = setInterval(draw, 40);
  running.push(() => clearInterval(timer));
  return canvas.captureStream(25).getVideoTracks()[0]!;
}

async function reception(): Promise<Reception> {
  const stats: Record<string, unknown>[] = [...((await self.pc.getStats()) as unknown as Map<string, Record<string, unknown>>).values()];
  const inbound = stats.filter(({ type }) => type === 'inbound-rtp');
  const sum = (name: string, kind: string): number =>
    inbound.filter((one) => one['kind'] === kind).reduce((total, one) => total + Number(one[name] ?? 0), 0);
  return {
    framesDecoded: sum('framesDecoded', 'video'),
    keyFramesDecoded: sum('keyFramesDecoded', 'video'),
    framesReceived: sum('framesReceived', 'video'),
    videoPackets: sum('packetsReceived', 'video'),
    packetsLost: sum('packetsLost', 'video') + sum('packetsLost', 'audio'),
    audioEnergy: sum('totalAudioEnergy', 'audio'),
    audioPackets: sum('packetsReceived', 'audio'),
    picture: picture(),
    codecs: inbound.flatMap((one) => stats.filter(({ id }) => id === one['codecId']).map(({ mimeType }) => String(mimeType))),
  };
}

function picture(): number {
  if (video.videoWidth === 0) return 0;
  const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 36 });
  const context = canvas.getContext('2d')!;
  context.drawImage(video, 0, 0, 64, 36);
  let sum = 1;
  for (const value of context.getImageData(0, 0, 64, 36).data) sum = (sum * 31 + value) >>> 0;
  return sum;
}

async function echo(sizes: readonly number[], type: 'string' | 'binary'): Promise<string[]> {
  const channel = self.channel;
  if (channel === undefined) return ['there is no channel'];
  const sent = sizes.map((size, index) => {
    const bytes = new Uint8Array(size).map((_, at) => (type === 'string' ? 97 + ((at + index) % 26) : (at * 7 + index) & 0xff));
    return type === 'string' ? new TextDecoder().decode(bytes) : bytes;
  });
  const wrong: string[] = [];
  let next = 0;
  const done = new Promise<void>((resolve) => {
    channel.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      const expected = sent[next++];
      if (!same(expected, data))
        wrong.push(`message ${next - 1} (${sizes[next - 1]}): got ${typeof data === 'string' ? data.length : data.byteLength}`);
      if (next === sent.length) resolve();
    };
    channel.addEventListener('close', () => (wrong.push(`the channel closed after ${next}`), resolve()), { once: true });
  });
  for (const message of sent) {
    while (channel.bufferedAmount > 2 ** 20) await new Promise((resolve) => setTimeout(resolve, 5));
    if (typeof message === 'string') channel.send(message);
    else channel.send(message);
  }
  await done;
  return wrong;
}

function same(expected: string | Uint8Array | undefined, data: string | ArrayBuffer): boolean {
  if (typeof data === 'string' || typeof expected === 'string' || expected === undefined) return expected === data;
  const bytes = new Uint8Array(data);
  return bytes.length === expected.length && bytes.every((value, at) => value === expected[at]);
}
