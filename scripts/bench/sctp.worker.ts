// One end of scripts/bench/sctp.ts: an association over UDP, without DTLS, in a process of its own.
import { createSocket } from 'node:dgram';
import { nodeCrypto } from '@petrel/crypto/node';
import { SctpAssociation } from '@petrel/sctp';

interface Work {
  readonly role: 'send' | 'receive';
  readonly size: number;
  readonly seconds: number;
  readonly port?: number;
  readonly zeroChecksum: boolean;
}

const BUFFERED = 1_048_576;
const work = JSON.parse(process.argv[2]!) as Work;
const association = new SctpAssociation({ crypto: nodeCrypto(), zeroChecksum: work.zeroChecksum });
const socket = createSocket({
  type: 'udp4',
  recvBufferSize: 4_194_304,
  sendBufferSize: 4_194_304,
  lookup: (host, _options, done) => done(null, host, 4),
});
const payload = new Uint8Array(work.size).fill(7);
let peerPort = work.port ?? 0;
let timer: NodeJS.Timeout | undefined;
let timerAt = Infinity;
let due: NodeJS.Immediate | undefined;
let messages = 0;
let bytes = 0;
let isMeasuring = false;
let cpu = process.cpuUsage();
let began = performance.now();

socket.on('message', (data, { port }) => {
  peerPort = port;
  association.receive(data, performance.now());
  flush();
});
socket.bind(0, '127.0.0.1', () => {
  if (work.role === 'receive') process.send!({ port: socket.address().port });
  else {
    association.connect(performance.now());
    flush();
  }
});
process.on('message', () => {
  report();
  process.exit(0);
});

function flush(): void {
  const now = performance.now();
  if (isMeasuring && work.role === 'send') refill(now);
  for (let packet = association.pollTransmit(now); packet; packet = association.pollTransmit(now))
    socket.send(packet, peerPort, '127.0.0.1');
  for (let event = association.pollEvent(); event; event = association.pollEvent()) {
    if (event.type === 'message') {
      messages += 1;
      bytes += event.data.length;
      if (!isMeasuring) begin();
    } else if (event.type === 'connected' && work.role === 'send') {
      begin();
      setTimeout(finish, work.seconds * 1000);
      setImmediate(flush);
    }
  }
  const next = association.nextTimeout();
  if (next <= now) {
    due ??= setImmediate(onDue);
  } else if (next < timerAt) {
    clearTimeout(timer);
    timerAt = next;
    timer = setTimeout(onTimer, next - now);
  }
}

/** What is due already comes after what has arrived in the meantime. */
function onDue(): void {
  due = undefined;
  association.handleTimeout(performance.now());
  flush();
}

function onTimer(): void {
  timerAt = Infinity;
  association.handleTimeout(performance.now());
  flush();
}

function refill(now: number): void {
  for (let room = BUFFERED - association.bufferedAmount(1); room > 0; room -= payload.length) association.send(1, 53, payload, {}, now);
}

function begin(): void {
  isMeasuring = true;
  cpu = process.cpuUsage();
  began = performance.now();
}

function finish(): void {
  isMeasuring = false;
  report();
  process.exit(0);
}

function report(): void {
  const { user, system } = process.cpuUsage(cpu);
  process.send!({ role: work.role, cpu: (user + system) / 1e6, seconds: (performance.now() - began) / 1000, messages, bytes });
}
