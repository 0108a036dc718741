// Throughput of an association over a simulated link of 20 Mbit/s with a queue of 100 ms, against round-trip time and loss: the share of the
// link that data gets, and the same for what a TCP of textbook form would get at that loss (Mathis et al.: 1.22 MSS / (RTT √loss)).
import { nobleCrypto } from '@petrel/crypto/noble';
import { SctpAssociation } from '@petrel/sctp';
import { seededRandom, VirtualClock } from '@petrel/testing';

const BYTES_PER_MS = 20_000_000 / 8 / 1000;
const QUEUE_MS = 100;
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 60);
/** UDP, IP and DTLS around each packet. */
const OVERHEAD = 65;

console.log('RTT ms   loss %   Mbit/s   of the link   TCP-like   retransmitted %');
for (const roundTrip of [10, 50, 100, 200]) for (const loss of [0, 0.001, 0.01]) run(roundTrip, loss);

function run(roundTrip: number, loss: number): void {
  const clock = new VirtualClock();
  const random = seededRandom(roundTrip + loss * 1000);
  const [a, b] = [1, 2].map(
    (seed) =>
      new SctpAssociation({
        crypto: nobleCrypto(seededRandom(seed)),
        receiveBuffer: 4_194_304,
        maxRetransmits: Infinity,
        maxInitRetransmits: Infinity,
      }),
  ) as [SctpAssociation, SctpAssociation];
  const freeAt = [0, 0];
  const cancel: ((() => void) | undefined)[] = [undefined, undefined];
  const message = new Uint8Array(65_536);
  let received = 0;
  let packets = 0;

  const flush = (from: 0 | 1): void => {
    const end = from === 0 ? a : b;
    const now = clock.now();
    if (from === 0 && a.state === 'established') while (a.bufferedAmount(1) < 4_000_000) a.send(1, 53, message, {}, now);
    for (let packet = end.pollTransmit(now); packet; packet = end.pollTransmit(now)) transmit(packet, from);
    for (let event = end.pollEvent(); event; event = end.pollEvent()) if (event.type === 'message') received += event.data.length;
    cancel[from]?.();
    const next = end.nextTimeout();
    cancel[from] =
      next === Infinity
        ? undefined
        : clock.schedule(next, () => {
            end.handleTimeout(clock.now());
            flush(from);
          });
  };
  const transmit = (packet: Uint8Array, from: 0 | 1): void => {
    const now = clock.now();
    if (from === 0) packets += 1;
    const start = Math.max(freeAt[from]!, now);
    if (start - now > QUEUE_MS || random.fraction() < loss) return;
    freeAt[from] = start + (packet.length + OVERHEAD) / BYTES_PER_MS;
    const copy = packet.slice();
    clock.schedule(freeAt[from]! + roundTrip / 2, () => {
      const to = from === 0 ? b : a;
      to.receive(copy, clock.now());
      flush(from === 0 ? 1 : 0);
    });
  };
  a.connect(0);
  flush(0);
  clock.advanceTo(SECONDS * 1000);
  const share = received / (BYTES_PER_MS * SECONDS * 1000);
  const tcp = loss === 0 ? 1 : Math.min((1.22 * 1360) / ((roundTrip / 1000) * Math.sqrt(loss)) / (BYTES_PER_MS * 1000), 1);
  const again = (b.discards.of('duplicate-data') * 100) / packets;
  const columns = [
    `${roundTrip}`.padStart(6),
    `${loss * 100}`.padStart(8),
    ((received * 8) / SECONDS / 1e6).toFixed(1).padStart(8),
    share.toFixed(2).padStart(13),
    tcp.toFixed(2).padStart(10),
    again.toFixed(1).padStart(17),
  ];
  console.log(columns.join(' '));
}
