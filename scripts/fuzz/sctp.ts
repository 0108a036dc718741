import { fromHex } from '@petrel/bytes';
import { nobleCrypto } from '@petrel/crypto/noble';
import { associationProblems, decodePacket, encodePacket, SctpAssociation } from '@petrel/sctp';
import { seededRandom } from '@petrel/testing';

/** Packets of each kind, for one association: RFC 9260 §3.3, RFC 3758, RFC 6525, RFC 8260. */
export const seeds: readonly Uint8Array[] = [
  '1388138800000000c87e4ab70100001e1122334400100000fffffffffffffffec00000048008000682c00000',
  '13881388556677880000000003000018fffffffe001000000001000100020003fffffffe',
  '13881388556677880000000000030015ffffffff000100010000003368656c6c6f000000',
  '13881388556677880000000000020015fffffffe000100000000003368656c6c6f000000',
  '138813885566778800000000400300190000000000010000000000000000003368656c6c6f000000',
  '13881388556677880000000004000000c0001000801020304',
  '138813885566778800000000c000000c0000000500010003',
  '138813885566778800000000c20000100000000500010000000000030000',
  '13881388556677880000000082000016000d001200000001000000000000000500010000',
  '138813885566778800000000820000100010000c0000000100000001',
  '13881388556677880000000006000008000c0004',
  '1388138855667788000000000700000800000005',
  '138813885566778800000000080000040e0000040b000004',
  '138813885566778800000000090000080003000800000000',
].map((hex) => fromHex(hex.length % 2 === 0 ? hex : `${hex}0`));

interface World {
  readonly association: SctpAssociation;
  readonly localTag: number;
}

const header = { sourcePort: 5000, destinationPort: 5000 };

/** Two associations that are connected; the one that is attacked, and the tag that it accepts. */
function connected(interleaving: boolean): World {
  const [a, b] = [1, 2].map(
    (seed) => new SctpAssociation({ crypto: nobleCrypto(seededRandom(seed)), interleaving, maxProbedPacket: 1160 }),
  ) as [SctpAssociation, SctpAssociation];
  let localTag = 0;
  a.connect(0);
  for (let i = 0; i < 4; i++) {
    for (let packet = a.pollTransmit(0); packet; packet = a.pollTransmit(0)) {
      const decoded = decodePacket(packet.slice());
      if (typeof decoded === 'object' && decoded.verificationTag !== 0) localTag = decoded.verificationTag;
      b.receive(packet, 0);
    }
    for (let packet = b.pollTransmit(0); packet; packet = b.pollTransmit(0)) a.receive(packet, 0);
  }
  for (let i = 0; i < 20; i++) b.send(i % 4, 51, new Uint8Array(700), i % 2 === 0 ? {} : { maxRetransmits: 0, unordered: true }, 0);
  return { association: b, localTag };
}

/** Everything that an association would do after an input; what must hold, holds. */
function settle(association: SctpAssociation, now: number): void {
  for (let i = 0; association.pollTransmit(now) !== undefined; i++) if (i > 10_000) throw new Error('it never stops sending');
  while (association.pollEvent() !== undefined);
  const problems = associationProblems(association);
  if (problems.length > 0) throw new Error(problems.join('; '));
}

/** The input as a script: a byte that says what happens, then what it needs. */
function play(world: World, input: Uint8Array): void {
  const { association, localTag } = world;
  let now = 0;
  for (let at = 0; at < input.length; ) {
    const kind = input[at++]! % 8;
    const length = Math.min(input[at++] ?? 0, input.length - at);
    const bytes = input.slice(at, at + length);
    at += length;
    now += kind;
    if (kind === 0) {
      now = Math.max(now, Math.min(association.nextTimeout(), now + 100_000));
      association.handleTimeout(now);
    } else if (kind === 1)
      association.send(
        (bytes[0] ?? 0) % 8,
        51,
        new Uint8Array(1 + (bytes[1] ?? 0) * 20),
        { unordered: (bytes[2] ?? 0) > 128, ...((bytes[3] ?? 0) > 128 ? { maxRetransmits: 1 } : {}) },
        now,
      );
    else if (kind === 2 && (bytes[0] ?? 0) > 200) association.resetStreams([(bytes[1] ?? 0) % 8], now);
    else if (kind === 2 && (bytes[0] ?? 0) > 190) association.shutdown(now);
    else
      association.receive(encodePacket({ ...header, verificationTag: bytes[0] === 1 && length < 60 ? 0 : localTag }, chunksOf(bytes)), now);
    settle(association, now);
  }
}

/** Bytes as chunks whose lengths fit, so that the fuzzer gets past the framing. */
function chunksOf(bytes: Uint8Array): { type: number; flags: number; value: Uint8Array }[] {
  const chunks: { type: number; flags: number; value: Uint8Array }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes[at + 3] ?? 0, bytes.length - at);
    chunks.push({ type: bytes[at]!, flags: bytes[at + 1] ?? 0, value: bytes.subarray(at + 4, Math.max(at + length, at + 4)) });
    at += Math.max((length + 3) & ~3, 4);
  }
  return chunks.length > 0 ? chunks : [{ type: 0, flags: 3, value: new Uint8Array(12) }];
}

export const targets: Readonly<Record<string, (bytes: Uint8Array) => void>> = {
  decodePacket: (bytes) => {
    decodePacket(bytes, true);
  },
  /** C24: an authenticated peer that sends anything, while the application goes on. */
  'association, DATA': (bytes) => play(connected(false), bytes),
  'association, I-DATA': (bytes) => play(connected(true), bytes),
  /** Before there is a handshake. */
  'association, new': (bytes) => {
    const association = new SctpAssociation({ crypto: nobleCrypto(seededRandom(3)) });
    if ((bytes[0] ?? 0) > 128) association.connect(0);
    play({ association, localTag: 0x55667788 }, bytes);
  },
};
