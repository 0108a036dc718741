// SCTP over UDP on loopback, two processes, without DTLS: what an association costs. CPU figures and ratios count; MB/s depend on the machine.
import { fork } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Report {
  readonly role: 'send' | 'receive';
  readonly cpu: number;
  readonly seconds: number;
  readonly messages: number;
  readonly bytes: number;
}

const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 3);
const worker = join(dirname(fileURLToPath(import.meta.url)), 'sctp.worker.mjs');

console.log('message     MB/s   CPU s/GB sender   CPU s/GB receiver   messages/s   µs/message sender   receiver');
for (const zeroChecksum of [false, true]) {
  console.log(zeroChecksum ? 'zero checksum (RFC 9653)' : 'CRC32c');
  for (const size of [100, 1200, 16_384, 65_536]) await measure(size, zeroChecksum);
}

async function measure(size: number, zeroChecksum: boolean): Promise<void> {
  const receiver = start({ role: 'receive', size, seconds: SECONDS, zeroChecksum });
  const { port } = (await receiver.next()) as { port: number };
  const sender = start({ role: 'send', size, seconds: SECONDS, port, zeroChecksum });
  const sent = (await sender.next()) as Report;
  receiver.child.send('stop');
  const received = (await receiver.next()) as Report;
  const gigabytes = received.bytes / 1e9;
  const columns = [
    `${size} B`.padEnd(9),
    (received.bytes / 1e6 / received.seconds).toFixed(1).padStart(6),
    (sent.cpu / gigabytes).toFixed(2).padStart(17),
    (received.cpu / gigabytes).toFixed(2).padStart(19),
    (received.messages / received.seconds).toFixed(0).padStart(12),
    ((sent.cpu * 1e6) / received.messages).toFixed(2).padStart(19),
    ((received.cpu * 1e6) / received.messages).toFixed(2).padStart(10),
  ];
  console.log(columns.join(' '));
}

function start(work: object): { child: ReturnType<typeof fork>; next(): Promise<unknown> } {
  const child = fork(
    worker,
    [JSON.stringify(work)],
    process.env['BENCH_PROFILE'] ? { execArgv: ['--cpu-prof', `--cpu-prof-dir=${process.env['BENCH_PROFILE']}`] } : {},
  );
  return { child, next: () => new Promise((resolve) => child.once('message', resolve)) };
}
