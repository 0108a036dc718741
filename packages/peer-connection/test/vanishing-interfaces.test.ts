import { describe, expect, test } from '@jest/globals';
import type { Runtime, RTCDataChannel, UdpOptions } from '../src/index.ts';
import { PeerPair } from './peer-pair.ts';

/** Two connections that exchange a message every 20 ms each; `a` has two interfaces, `b` one. */
class Talk {
  readonly pair: PeerPair = new PeerPair();
  readonly received: { readonly a: string[]; readonly b: string[] } = { a: [], b: [] };
  readonly states: string[] = [];
  /** What `a` has passed to `bindUdp`. */
  readonly bound: UdpOptions[] = [];
  looks = 0;
  #sent = 0;

  constructor({ interfaces = 2, reportsErrors = true } = {}) {
    const host = this.pair.network.host('a');
    if (interfaces === 2) host.addInterface({ name: 'eth1', addresses: ['198.51.100.1'] });
    const runtime: Runtime = host.runtime;
    const bindUdp = runtime.bindUdp.bind(runtime);
    const networkInterfaces = runtime.networkInterfaces.bind(runtime);
    runtime.bindUdp = (options, handler) => {
      this.bound.push(options);
      const { onUnreachable, ...others } = options;
      return bindUdp(reportsErrors && onUnreachable ? options : others, handler);
    };
    runtime.networkInterfaces = () => {
      this.looks++;
      return networkInterfaces();
    };
  }

  async start(offerer: 'a' | 'b'): Promise<void> {
    const { a, b } = this.pair;
    const channels = { a: a.createDataChannel('x', { negotiated: true, id: 0 }), b: b.createDataChannel('x', { negotiated: true, id: 0 }) };
    channels.a.onmessage = ({ data }) => void this.received.a.push(String(data));
    channels.b.onmessage = ({ data }) => void this.received.b.push(String(data));
    await this.pair.connect(this.pair[offerer]);
    await this.pair.until(() => channels.a.readyState === 'open' && channels.b.readyState === 'open');
    a.onconnectionstatechange = () => this.states.push(a.connectionState);
    this.#speak(channels);
    await this.pair.network.run(5_000);
  }

  #speak(channels: { a: RTCDataChannel; b: RTCDataChannel }): void {
    if (channels.a.readyState !== 'open' || channels.b.readyState !== 'open') return;
    const text = String(this.#sent++);
    channels.a.send(text);
    channels.b.send(text);
    const { clock } = this.pair.network;
    clock.schedule(clock.now() + 20, () => this.#speak(channels));
  }

  /** Milliseconds until both have what was sent after now. */
  async recovery(): Promise<number> {
    const { network } = this.pair;
    const [start, last] = [network.now(), this.#sent];
    const isBack = (texts: readonly string[]): boolean => Number(texts.at(-1)) > last;
    await network.runUntil(() => isBack(this.received.a) && isBack(this.received.b), 60_000);
    return network.now() - start;
  }

  get address(): string | null {
    return this.pair.a.sctp!.transport.iceTransport.getSelectedCandidatePair()!.local.address;
  }

  removeInterface(): void {
    this.pair.network.host('a').removeInterface(this.address === '192.0.2.1' ? 'eth0' : 'eth1');
  }

  expectAllInOrder(): void {
    for (const texts of [this.received.a, this.received.b]) expect(texts).toEqual(texts.map((_, index) => String(index)));
  }
}

describe('L10: an interface vanishes while data is sent', () => {
  test.each([
    ['controlling', true],
    ['controlled', true],
    ['controlling', false],
    ['controlled', false],
  ] as const)('the data of both sides moves within 5 s; we are %s, errors of the socket are told of: %s', async (role, reportsErrors) => {
    const talk = new Talk({ reportsErrors });
    await talk.start(role === 'controlling' ? 'a' : 'b');
    expect(talk.pair.a.sctp!.transport.iceTransport.role).toBe(role);
    const before = talk.address;
    talk.removeInterface();
    const start = talk.pair.network.now();
    await talk.pair.until(() => talk.address !== before);
    expect(talk.pair.network.now() - start).toBeLessThan(reportsErrors ? 100 : 3_200);
    await talk.recovery();
    expect(talk.pair.network.now() - start).toBeLessThan(5_000);
    await talk.pair.network.run(20_000);
    expect(talk.states).toEqual([]);
    talk.expectAllInOrder();
  });

  test('the only one, back after 4 s: nothing has happened', async () => {
    const talk = new Talk({ interfaces: 1 });
    await talk.start('a');
    talk.removeInterface();
    await talk.pair.network.run(4_000);
    talk.pair.network.host('a').addInterface({ name: 'eth0', addresses: ['192.0.2.1'] });
    expect(await talk.recovery()).toBeLessThan(4_000);
    expect(talk.states).toEqual([]);
    talk.expectAllInOrder();
  });

  test('an error while the interface is there changes nothing; a hundred cost one look', async () => {
    const talk = new Talk();
    await talk.start('a');
    const { address, looks } = talk;
    const changes = talk.pair.a.sctp!.transport.iceTransport.getSelectedCandidatePair();
    for (let count = 0; count < 100; count++) for (const { onUnreachable } of talk.bound) onUnreachable!();
    await talk.pair.network.run(3_000);
    expect([talk.address, talk.looks - looks]).toEqual([address, 1]);
    expect(talk.pair.a.sctp!.transport.iceTransport.getSelectedCandidatePair()).toBe(changes);
  });

  test('while answers come nobody looks at the interfaces', async () => {
    const talk = new Talk();
    await talk.start('a');
    const { looks } = talk;
    await talk.pair.network.run(60_000);
    expect(talk.looks).toBe(looks);
  });
});
