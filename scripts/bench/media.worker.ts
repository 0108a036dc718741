import { createSocket } from 'node:dgram';
import { nodeCrypto } from '@petrel/crypto/node';
import { SrtpContext } from '@petrel/srtp';
import { RTCPeerConnection, RtpSink, RtpSource } from 'petrel';
import { connectToOtherProcess } from './lib/peer-process.ts';

const role = process.argv[2]!;
const [streams, rate, seconds] = process.argv.slice(3).map(Number) as [number, number, number];
const HEADER = 12;
const ADDRESS = '127.0.0.1';
/** Before anything is measured, as fast as a server would: V8 has compiled by then what runs for each packet, and for each wrap of sequence numbers. */
const WARM_UP = { packets: 150_000, rate: 30_000 };
/** Long enough for everything to arrive, in milliseconds. */
const PAUSE = 1000;

switch (role) {
  case 'petrel-sender':
    void sendMedia();
    break;
  case 'petrel-receiver':
    receiveMedia();
    break;
  case 'bare-receiver':
    receiveDatagrams((datagram) => datagram);
    break;
  case 'srtp-receiver':
    receiveDatagrams(unprotect());
    break;
  case 'bare-sender':
    onPort((port) => sendDatagrams(port, (packet) => packet));
    break;
  case 'srtp-sender':
    onPort((port) => sendDatagrams(port, protect()));
    break;
}

/** What the other process says: where it listens, or that what comes from now on counts. */
interface Message {
  readonly port?: number;
  readonly warm?: true;
}

function onPort(listener: (port: number) => void): void {
  process.on('message', ({ port }: Message) => port !== undefined && listener(port));
}

function srtp(): SrtpContext {
  return new SrtpContext({ crypto: nodeCrypto(), profile: 'AEAD_AES_128_GCM', key: new Uint8Array(16), salt: new Uint8Array(12) });
}

function protect(): (packet: Uint8Array) => Uint8Array {
  const context = srtp();
  return (packet) => context.protect(packet)!;
}

function unprotect(): (datagram: Uint8Array) => unknown {
  const context = srtp();
  return (datagram) => context.unprotect(new Uint8Array(datagram.buffer, datagram.byteOffset, datagram.length));
}

async function sendMedia(): Promise<void> {
  const pc = newConnection();
  const sources = Array.from({ length: streams }, () => new RtpSource('video', { mimeType: 'video/VP8' }));
  for (const source of sources) pc.addTrack(source.track);
  pc.onconnectionstatechange = () => {
    if (pc.connectionState === 'connected') setTimeout(() => pump((stream, packet) => sources[stream]!.write(packet)), 300);
  };
  await connectToOtherProcess(pc, true);
}

/** Over the addresses that bare datagrams take: IPv6 costs the system more. */
function newConnection(): RTCPeerConnection {
  return new RTCPeerConnection({ interfaceFilter: ({ address }) => address === ADDRESS });
}

function receiveMedia(): void {
  const pc = newConnection();
  const count = counter();
  pc.ontrack = ({ track }) => {
    new RtpSink(track).onpacket = count;
  };
  void connectToOtherProcess(pc, false);
}

function sendDatagrams(port: number, seal: (packet: Uint8Array) => Uint8Array): void {
  const socket = createSocket({ type: 'udp4', lookup: (host, _options, callback) => callback(null, host, 4) });
  pump((stream, packet) => {
    packet[8] = stream; // of the SSRC
    socket.send(seal(packet), port, ADDRESS);
  });
}

function receiveDatagrams(open: (datagram: Uint8Array) => unknown): void {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 2 << 20 });
  const count = counter();
  socket.on('message', (datagram) => {
    open(datagram);
    count();
  });
  socket.bind(0, ADDRESS, () => process.send!({ to: 'peer', port: socket.address().port }));
}

/** Sends on all streams to warm up, and then at the rate for the time, in slices of a millisecond; then reports. */
function pump(send: (stream: number, packet: Uint8Array) => void): void {
  const packets = seconds * rate * streams;
  const measure = (): void => {
    const before = process.cpuUsage();
    sendPackets(send, WARM_UP.packets, packets, rate * streams, () => report(packets, before));
  };
  sendPackets(send, 0, WARM_UP.packets, WARM_UP.rate, () => {
    setTimeout(() => process.send!({ to: 'peer', warm: true }), PAUSE); // all of it has arrived
    setTimeout(measure, 2 * PAUSE);
  });
}

function sendPackets(
  send: (stream: number, packet: Uint8Array) => void,
  first: number,
  count: number,
  perSecond: number,
  done: () => void,
) {
  const start = performance.now();
  let sent = first;
  const timer = setInterval(() => {
    const due = first + Math.min(count, Math.floor(((performance.now() - start) / 1000) * perSecond));
    for (; sent < due; sent++) send(sent % streams, makePacket(Math.floor(sent / streams)));
    if (sent < first + count) return;
    clearInterval(timer);
    done();
  }, 1);
}

function makePacket(sequenceNumber: number): Uint8Array {
  const bytes = new Uint8Array(HEADER + 1200);
  bytes[0] = 0x80;
  bytes[1] = 96;
  bytes[2] = sequenceNumber >> 8;
  bytes[3] = sequenceNumber;
  bytes[11] = 1;
  return bytes;
}

/** Counts the packets that come after warming up, and reports once none has come for half a second. */
function counter(): () => void {
  let packets = 0;
  process.on('message', ({ warm }: Message) => {
    if (!warm) return;
    packets = 0;
    const start = process.cpuUsage();
    let before = 0;
    const watch = setInterval(() => {
      if (packets > 0 && packets === before) {
        clearInterval(watch);
        report(packets, start);
      }
      before = packets;
    }, PAUSE);
  });
  return () => {
    packets += 1;
  };
}

function report(packets: number, before: NodeJS.CpuUsage): void {
  const { user, system } = process.cpuUsage(before);
  process.send!({ type: 'result', packets, cpuPerPacket: (user + system) / packets });
}
