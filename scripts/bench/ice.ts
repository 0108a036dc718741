// ICE: the cost of a payload packet through the agent, and how fast two agents connect over a lossy network (virtual time, 1,000 seeds each).
import { connectedPair, Network, newPair, runUntilConnected, startHosts } from '../../packages/ice/test/support/network.ts';

const PACKETS = 2_000_000;
const SEEDS = Number(process.env['PETREL_SEEDS'] ?? 1_000);

{
  const { a, b, network } = connectedPair();
  const now = network.now();
  const payload = new Uint8Array(1_200).fill(128);
  for (let round = 0; round < 2; round++) {
    let start = performance.now();
    for (let count = 0; count < PACKETS; count++) {
      a.agent.send(payload, now);
      a.agent.pollTransmit(now);
      a.agent.nextTimeout();
    }
    const sending = ((performance.now() - start) / PACKETS) * 1e6;
    start = performance.now();
    for (let count = 0; count < PACKETS; count++) {
      b.agent.receive(1, payload, '192.0.2.1', 5001, now);
      b.agent.nextTimeout();
    }
    const receiving = ((performance.now() - start) / PACKETS) * 1e6;
    if (round > 0) console.log(`payload: send ${sending.toFixed(0)} ns, receive ${receiving.toFixed(0)} ns a packet`);
  }
}

for (const loss of [0, 0.1, 0.3, 0.5]) {
  const times: number[] = [];
  for (let seed = 1; seed <= SEEDS; seed++) {
    const network = new Network({ seed, loss, delay: 50 });
    network.record = false;
    const pair = newPair({ network, seed });
    startHosts(pair.a, pair.b);
    if (runUntilConnected(pair, 60_000)) times.push(network.now());
  }
  times.sort((x, y) => x - y);
  const share = (limit: number): string => `${((100 * times.filter((time) => time <= limit).length) / SEEDS).toFixed(1)} %`;
  const at = (quantile: number): string => `${Math.round(times[Math.floor((times.length - 1) * quantile)] ?? Number.NaN)} ms`;
  console.log(`loss ${loss}: within 30 s ${share(30_000)}, 60 s ${share(60_000)}; median ${at(0.5)}, 99 % ${at(0.99)}, slowest ${at(1)}`);
}
