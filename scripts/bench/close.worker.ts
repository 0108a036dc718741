import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type CloseReport, RTCPeerConnection } from 'petrel';
import { connectToOtherProcess, forgetConnections } from './lib/peer-process.ts';

/** Opens `count` connections to the other process, and closes them. */
const [role, count] = [process.argv[2]!, Number(process.argv[3])];
const SINGLES = 50;
const BATCH = 20;
const certificate = await RTCPeerConnection.generateCertificate({ name: 'ECDSA', namedCurve: 'P-256' });
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

if (role === 'answerer') for (let index = 0; index < count + SINGLES; index++) void connect(index);
else await measure();

async function connect(index: number): Promise<RTCPeerConnection> {
  const pc = new RTCPeerConnection({ certificates: [certificate], autoClose: true });
  const offers = role === 'offerer';
  const channel = offers ? pc.createDataChannel('x') : undefined;
  const opened = new Promise((resolve) => channel?.addEventListener('open', resolve));
  await connectToOtherProcess(pc, offers, index);
  if (offers) await opened;
  return pc;
}

async function connectMany(first: number, total: number): Promise<RTCPeerConnection[]> {
  const all: RTCPeerConnection[] = [];
  for (let index = first; index < first + total; index += BATCH)
    all.push(...(await Promise.all(Array.from({ length: Math.min(BATCH, first + total - index) }, (_, at) => connect(index + at)))));
  return all;
}

async function measure(): Promise<void> {
  const single = await measureSingles(await connectMany(0, SINGLES));
  await pause(4500);
  const empty = await memory();
  const connections = await connectMany(SINGLES, count);
  const open = (await memory()) - empty;
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const cpu = process.cpuUsage();
  const started = performance.now();
  for (const pc of connections) pc.close({ reason: 'all' });
  const callMs = performance.now() - started;
  const reports: CloseReport[] = await Promise.all(connections.map(({ closed }) => closed));
  const allHeardMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  loop.disable();
  connections.length = 0;
  forgetConnections();
  const datagrams = reports.reduce((sum, { sent }) => sum + sent.reduce((total, { count: each }) => total + each, 0), 0);
  const heard = reports.filter(({ heard: what }) => what === 'close_notify').length;
  reports.length = 0;
  await pause(100);
  const lingering = await memory();
  await pause(4500);
  const released = await memory();
  process.send!({
    type: 'result',
    single,
    datagrams,
    callMs,
    allHeardMs,
    cpuMs: (user + system) / 1000,
    loopDelayMs: loop.max / 1e6,
    heard,
    openKiB: open / count / 1024,
    lingeringKiB: (lingering - empty) / count / 1024,
    releasedKiB: (released - empty) / count / 1024,
  });
}

/** One after the other; the first ten warm the code up. */
async function measureSingles(connections: RTCPeerConnection[]): Promise<{ cpuMs: number; callMs: number }> {
  for (const pc of connections.splice(0, 10)) {
    pc.close();
    await pc.closed;
  }
  const cpu = process.cpuUsage();
  let callMs = 0;
  for (const pc of connections) {
    const started = performance.now();
    pc.close({ reason: 'one' });
    callMs += performance.now() - started;
    await pc.closed;
  }
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMs: (user + system) / 1000 / connections.length, callMs: callMs / connections.length };
}

/** Buffers are given back by a second collection, after what held them. */
async function memory(): Promise<number> {
  for (let pass = 0; pass < 3; pass++) {
    globalThis.gc!();
    await pause(50);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
