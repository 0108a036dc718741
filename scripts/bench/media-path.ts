/**
 * What the stack itself costs for one RTP packet, from `RtpSource.write` to the socket's `send` and from the socket's datagram to `RtpSink.onpacket`:
 * no sockets, and beside the usual cipher one that only copies.
 */
import { AEAD_TAG_LENGTH, type CryptoProvider } from '@petrel/crypto';
import { nodeCrypto } from '@petrel/crypto/node';
import { type DatagramHandler, RTCPeerConnection, RtpSink, RtpSource, type Runtime, type UdpSocket } from '@petrel/peer-connection';
import { median, printTable } from './lib/table.ts';

const HEADER = 12;
/** The first ones fill what streams keep for retransmission, and do not count. */
const WARM_UP = 280;
const SLICES = 300;
const PACKETS = 200;
/** Of virtual time between two packets, in milliseconds: 10,000 a second. */
const INTERVAL = 0.1;

interface Cost {
  readonly tx: number;
  readonly rx: number;
}

async function main(): Promise<void> {
  const rows: string[][] = [];
  for (const [streams, size] of [
    [1, 1200],
    [50, 1200],
    [1, 100],
    [50, 100],
  ] as const) {
    const free = await measure(streams, size, freeCipher());
    const sealed = await measure(streams, size, nodeCrypto());
    rows.push([`${streams} × ${size} B`, ...[free.tx, free.rx, sealed.tx, sealed.rx].map((cost) => cost.toFixed(2))]);
  }
  printTable(['', 'no cipher: µs tx', 'rx', 'AES-GCM: µs tx', 'rx'], rows);
  process.exit();
}

/** Medians over slices, µs of CPU a packet. */
async function measure(streams: number, size: number, crypto: CryptoProvider): Promise<Cost> {
  const world = new World(crypto);
  const [sender, receiver] = [new RTCPeerConnection({}, world.runtime('192.0.2.1')), new RTCPeerConnection({}, world.runtime('192.0.2.2'))];
  const sources = Array.from({ length: streams }, () => new RtpSource('video', { mimeType: 'video/VP8' }));
  for (const source of sources) sender.addTrack(source.track);
  let received = 0;
  receiver.ontrack = ({ track }) => {
    new RtpSink(track).onpacket = () => (received += 1);
  };
  await connect(sender, receiver);
  const [tx, rx]: number[][] = [[], []];
  let sent = 0;
  for (let slice = 0; slice < WARM_UP + SLICES; slice++) {
    const packets = Array.from({ length: PACKETS }, (_, index) => makePacket(Math.floor((sent + index) / streams), size));
    world.held = [];
    tx!.push(
      cpu(() => {
        for (const packet of packets) {
          world.time += INTERVAL;
          sources[sent++ % streams]!.write(packet);
        }
      }),
    );
    const { held } = world;
    rx!.push(
      cpu(() => {
        for (const { deliver, data, from } of held) {
          world.time += INTERVAL;
          deliver(data, from.address, from.port);
        }
      }),
    );
    world.held = undefined;
    await new Promise((resolve) => setTimeout(resolve));
  }
  if (received !== sent) console.error(`${sent - received} of ${sent} packets were lost`);
  return { tx: median(tx!.slice(WARM_UP)), rx: median(rx!.slice(WARM_UP)) };
}

async function connect(a: RTCPeerConnection, b: RTCPeerConnection): Promise<void> {
  a.onicecandidate = ({ candidate }) => void b.addIceCandidate(candidate?.toJSON());
  b.onicecandidate = ({ candidate }) => void a.addIceCandidate(candidate?.toJSON());
  await a.setLocalDescription();
  await b.setRemoteDescription(a.localDescription!);
  await b.setLocalDescription();
  await a.setRemoteDescription(b.localDescription!);
  while (a.connectionState !== 'connected' || b.connectionState !== 'connected') await new Promise((resolve) => setTimeout(resolve, 5));
}

interface Held {
  readonly deliver: DatagramHandler;
  readonly data: Uint8Array;
  readonly from: UdpSocket;
}

/** Sockets that hand each other what is sent in a later task, or keep it. */
class World {
  /** While it is set, datagrams stay here. */
  held: Held[] | undefined;
  /** Added to the clock; in milliseconds. */
  time = 0;
  readonly #crypto: CryptoProvider;
  readonly #handlers = new Map<string, DatagramHandler>();

  constructor(crypto: CryptoProvider) {
    this.#crypto = crypto;
  }

  runtime(address: string): Runtime {
    const now = (): number => performance.now() + this.time;
    return {
      crypto: this.#crypto,
      now,
      timeOrigin: performance.timeOrigin,
      setTimer: (deadline, callback) => {
        const timer = setTimeout(callback, Math.max(0, deadline - now()));
        return { cancel: () => clearTimeout(timer) };
      },
      queueTask: (callback) => void setImmediate(callback),
      networkInterfaces: () => [{ name: 'eth0', address, family: 4, internal: false }],
      bindUdp: (_options, handler) => Promise.resolve(this.#socket(address, handler)),
      connectStream: none,
      listenTcp: none,
      resolve: none,
    };
  }

  #socket(address: string, handler: DatagramHandler): UdpSocket {
    const socket: UdpSocket = {
      address,
      port: 5000,
      send: (data, remoteAddress) => {
        const deliver = this.#handlers.get(remoteAddress);
        if (deliver === undefined) return;
        if (this.held !== undefined) this.held.push({ deliver, data, from: socket });
        else setImmediate(() => deliver(data.slice(), address, 5000));
      },
      setReferenced: () => {},
      close: () => {},
    };
    this.#handlers.set(address, handler);
    return socket;
  }
}

function none(): Promise<never> {
  return Promise.reject(new Error('not here'));
}

/** An AEAD that copies, with a tag of zeros. */
function freeCipher(): CryptoProvider {
  return {
    ...nodeCrypto(),
    aead: () => ({
      seal: (_nonce, plaintext, _additionalData, output, offset) => output.set(plaintext, offset),
      open(_nonce, ciphertextAndTag, _additionalData, output, offset) {
        const length = ciphertextAndTag.length - AEAD_TAG_LENGTH;
        output.set(ciphertextAndTag.subarray(0, length), offset);
        return length;
      },
    }),
  };
}

function makePacket(sequenceNumber: number, size: number): Uint8Array {
  const bytes = new Uint8Array(HEADER + size);
  bytes[0] = 0x80;
  bytes[1] = 96;
  bytes[2] = sequenceNumber >> 8;
  bytes[3] = sequenceNumber;
  bytes[11] = 1;
  return bytes;
}

/** µs of CPU a packet. */
function cpu(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / PACKETS;
}

void main();
