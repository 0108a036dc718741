/** Somebody on the path, or beside it: replays, alters and makes up datagrams. He has no keys. */
import { fromHex } from '@petrel/bytes';
import type { Endpoint, Packet, SeededRandom } from '@petrel/testing';
import type { World } from './world.ts';

/** Datagrams that published implementations fell over (see their packages' vectors). */
const NEGATIVE: readonly string[] = [
  '000100002112a442000102030405060708090a',
  '000100042112a442000102030405060708090a0b0006ffff',
  '010100042112a442000102030405060708090a0b00200000',
  '0101000c2112a442000102030405060708090a0b002000080009a147e112a643',
  '000100182112a442000102030405060708090a0b000800130000000000000000000000000000000000000000',
  '001700102112a442000102030405060708090a0b001200080001a147e112a64300130000',
  '4000ffff0102',
  '4fff000401020304',
  '16fefd000000000000000000',
  '16fefd0000000000000000ffff01',
  '16fefd00000000000000000000',
  '15fefd000000000000000000020100',
  '15fefd000000000000000000020228',
  '14fefd0000000000000000000101',
  '17fefd000000000000000000050102030405',
  '8f60000100000001cafebabe',
  '9060000100000001cafebabebedeffff',
  '80c9ffffcafebabe',
  '81cb0002cafebabeff414141',
];

const MEMORY = 64;
const TURN_PORT = 3478;

export class Attacker {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #seen: Packet[] = [];
  #count = 0;

  constructor(world: World, random: SeededRandom) {
    this.#world = world;
    this.#random = random;
  }

  /** A datagram that passed, as its sender's interface saw it. */
  see(packet: Packet): void {
    if (packet.segment !== undefined) return;
    this.#seen[this.#count++ % MEMORY] = packet;
  }

  /**
   * One datagram to somebody. Nothing of DTLS as long as the peers are not encrypted: who can hear them can have an address of his own taken for the
   * peer's by replaying a check (RFC 8445 §7.3.1.3), and who can forge the first flights can end a handshake (RFC 6347 §4.2).
   */
  strike(areEncrypted: boolean): string {
    const target = this.#pick(this.#seen);
    if (target === undefined) return 'nobody to strike';
    const [kind, data] = this.#datagram(target);
    // Requests of TURN are not protected against replay: who can send from a client's address can take its allocation.
    const isToServer = target.destination.port === TURN_PORT;
    const forged = this.#random.fraction() < 0.7 && !isToServer;
    if (!areEncrypted && isDtls(data)) return 'nothing';
    const source: Endpoint = forged ? target.source : { address: '198.51.100.66', port: 6666 };
    this.#world.network.inject({ source: forged ? this.#outside(source) : source, destination: target.destination, data });
    return `${kind}${forged ? '' : ' from elsewhere'}`;
  }

  /** As the path behind the sender's NAT has it. */
  #outside(source: Endpoint): Endpoint {
    const { nats, network } = this.#world;
    const mappings = [nats.a, nats.b].flatMap((nat) => nat?.mappings(network.now()) ?? []);
    return mappings.find(({ inner }) => inner.address === source.address && inner.port === source.port)?.outer ?? source;
  }

  #datagram(target: Packet): [string, Uint8Array] {
    const random = this.#random;
    switch (random.below(6)) {
      case 0:
        return ['replay', target.data.slice()];
      case 1:
        return ['replay of another', this.#pick(this.#seen)!.data.slice()];
      case 2: {
        const data = target.data.slice();
        if (data.length > 0) data[random.below(data.length)]! ^= 1 << random.below(8);
        return ['bit flipped', data];
      }
      case 3:
        return ['truncated', target.data.slice(0, random.below(target.data.length + 1))];
      case 4:
        return ['negative vector', fromHex(this.#pick(NEGATIVE))];
      default: {
        const data = random.randomBytes(random.below(1200));
        if (data.length > 0) data[0] = this.#pick([0, 1, 20, 21, 22, 23, 64, 128, 129, 255]);
        return ['noise', data];
      }
    }
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)]!;
  }
}

function isDtls(data: Uint8Array): boolean {
  return data[0]! >= 20 && data[0]! <= 63;
}
