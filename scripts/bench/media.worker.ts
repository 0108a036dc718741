import { createSocket } from 'node:dgram';
import { nodeCrypto } from '@petrel/crypto/node';
import { SrtpContext } from '@petrel/srtp';
import { RTCPeerConnection, RtpSink, RtpSource } from 'petrel';
import { connectToOtherProcess } from './lib/peer-process.ts';

const role = process.argv[2]!;
const [streams, rate, seconds] = process.argv.slice(3).map(Number) as [number, number, number];
const HEADER = 12;
/** Before anything is measured: V8 has compiled by then what runs for each packet. In milliseconds. */
const WARM_UP = 2000;

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

function onPort(listener: (port: number) => void): void {
  process.on('message', ({ port }: { port?: number }) => port !== undefined && listener(port));
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
  const pc = new RTCPeerConnection();
  const sources = Array.from({ length: streams }, () => new RtpSource('video', { mimeType: 'video/VP8' }));
  for (const source of sources) pc.addTrack(source.track);
  pc.onconnectionstatechange = () => {
    if (pc.connectionState === 'connected') setTimeout(() => pump((stream, packet) => sources[stream]!.write(packet)), 300);
  };
  await connectToOtherProcess(pc, true);
}

function receiveMedia(): void {
  const pc = new RTCPeerConnection();
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
    socket.send(seal(packet), port, '127.0.0.1');
  });
}

function receiveDatagrams(open: (datagram: Uint8Array) => unknown): void {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 2 << 20 });
  const count = counter();
  socket.on('message', (datagram) => {
    open(datagram);
    count();
  });
  socket.bind(0, '127.0.0.1', () => process.send!({ to: 'peer', port: socket.address().port }));
}

/** Sends on all streams at the rate, to warm up and then for the time, in slices of a millisecond; then reports. */
function pump(send: (stream: number, packet: Uint8Array) => void): void {
  const start = performance.now();
  const end = WARM_UP + seconds * 1000;
  let warm: Progress | undefined;
  let sent = 0;
  const timer = setInterval(() => {
    const elapsed = Math.min(performance.now() - start, end);
    if (elapsed >= WARM_UP) warm ??= { packets: sent, cpu: process.cpuUsage() };
    const due = Math.floor((elapsed / 1000) * rate * streams);
    for (; sent < due; sent++) send(sent % streams, makePacket(Math.floor(sent / streams)));
    if (elapsed < end) return;
    clearInterval(timer);
    report(sent, warm!);
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

/** Counts packets, and reports once none has come for half a second. */
function counter(): () => void {
  let packets = 0;
  let before = 0;
  let warm: Progress | undefined;
  let watch: NodeJS.Timeout | undefined;
  const look = (): void => {
    if (packets === before) {
      clearInterval(watch);
      report(packets, warm!);
    }
    before = packets;
  };
  return () => {
    packets += 1;
    if (watch !== undefined) return;
    watch = setInterval(look, 500);
    setTimeout(() => (warm = { packets, cpu: process.cpuUsage() }), WARM_UP);
  };
}

interface Progress {
  readonly packets: number;
  readonly cpu: NodeJS.CpuUsage;
}

function report(packets: number, warm: Progress): void {
  const { user, system } = process.cpuUsage(warm.cpu);
  process.send!({ type: 'result', packets, cpuPerPacket: (user + system) / (packets - warm.packets) });
}
