import { createSocket } from 'node:dgram';
import { randomBytes } from 'node:crypto';
import { peerConnectionSlots } from '@petrel/peer-connection';
import { RTCPeerConnection, UdpMux } from 'petrel';
import { connectToOtherProcess } from './lib/peer-process.ts';
import { median } from './lib/table.ts';

const role = process.argv[2]!;
const interfaceFilter = ({ address }: { address: string }): boolean => address === '127.0.0.1';
if (role === 'server') await serve();
else if (role === 'client') await call();
else await attack(Number(process.argv[3]), process.argv[4]!, Number(process.argv[5]), Number(process.argv[6]));

/** The parent says when the flood begins and ends. */
function onFlood(begins: boolean): Promise<void> {
  return new Promise((resolve) =>
    process.on('message', ({ flood }: { flood?: boolean }) => {
      if (flood === begins) resolve();
    }),
  );
}

async function serve(): Promise<void> {
  const udpMux = await UdpMux.listen({ interfaceFilter });
  const pc = new RTCPeerConnection({ udpMux });
  pc.ondatachannel = ({ channel }) => (channel.onmessage = ({ data }) => channel.send(data));
  const [begun, ended] = [onFlood(true), onFlood(false)];
  await connectToOtherProcess(pc, false);
  const [transport] = peerConnectionSlots(pc).allTransports;
  const fragment = transport!.driver.stack.ice.localParameters.usernameFragment;
  process.send!({ type: 'ready', port: udpMux.port, fragment });
  await begun;
  const before = memory();
  const cpu = process.cpuUsage();
  const started = performance.now();
  await ended;
  const { user, system } = process.cpuUsage(cpu);
  const elapsed = performance.now() - started;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const after = memory();
  const discarded = { ...udpMux.discards.toJSON(), ...transport!.driver.stack.ice.discards.toJSON() };
  process.send!({
    type: 'result',
    heapMb: (after.heap - before.heap) / 2 ** 20,
    residentMb: after.resident / 2 ** 20,
    received: Object.values(discarded).reduce((sum, count) => sum + count, 0),
    cpuPercent: (user + system) / 10 / elapsed,
    state: pc.connectionState,
    discarded,
    size: udpMux.size,
  });
}

function memory(): { heap: number; resident: number } {
  for (let i = 0; i < 4; i++) (globalThis as { gc?: () => void }).gc!();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss };
}

async function call(): Promise<void> {
  const pc = new RTCPeerConnection({ interfaceFilter });
  const channel = pc.createDataChannel('echo');
  const opened = new Promise((resolve) => (channel.onopen = resolve));
  const [begun, ended] = [onFlood(true), onFlood(false)];
  await connectToOtherProcess(pc, true);
  await opened;
  let trips: number[] = [];
  channel.onmessage = ({ data }) => trips.push(performance.now() - Number(data));
  setInterval(() => channel.send(String(performance.now())), 20);
  const summary = (): [number, number, number] => [trips.length, trips.length > 0 ? median(trips) : Number.NaN, Math.max(...trips)];
  await new Promise((resolve) => setTimeout(resolve, 3000));
  process.send!({ type: 'calm' });
  await begun;
  const before = summary();
  trips = [];
  await ended;
  process.send!({ type: 'trips', before, during: summary() });
}

/** Evenly, in bursts of a millisecond. */
async function attack(port: number, fragment: string, rate: number, seconds: number): Promise<void> {
  const sockets = Array.from({ length: 16 }, () =>
    createSocket({ type: 'udp4', lookup: (address, _options, callback) => callback(null, address, 4) }),
  );
  // Made before, so that the time goes into sending.
  const requests = Array.from({ length: 4096 }, (_, index) => request(index % 2 === 0 ? fragment : randomBytes(6).toString('base64')));
  const started = performance.now();
  let sent = 0;
  while (performance.now() - started < seconds * 1000) {
    const due = Math.floor(((performance.now() - started) / 1000) * rate);
    for (; sent < due; sent++) sockets[sent & 15]!.send(requests[sent & 4095]!, port, '127.0.0.1');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  process.send!({ type: 'sent', sent });
}

/** A Binding request that looks right, with a MESSAGE-INTEGRITY that nobody has computed. */
function request(fragment: string): Buffer {
  const username = Buffer.from(`${fragment}:attacker`);
  const padded = (username.length + 3) & ~3;
  const message = Buffer.alloc(20 + 4 + padded + 24);
  message.writeUInt16BE(1, 0);
  message.writeUInt16BE(message.length - 20, 2);
  message.writeUInt32BE(0x2112a442, 4);
  randomBytes(12).copy(message, 8);
  message.writeUInt16BE(6, 20);
  message.writeUInt16BE(username.length, 22);
  username.copy(message, 24);
  message.writeUInt16BE(8, 24 + padded);
  message.writeUInt16BE(20, 26 + padded);
  randomBytes(20).copy(message, 28 + padded);
  return message;
}
