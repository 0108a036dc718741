import { describe, expect, test } from '@jest/globals';
import { concatBytes, fromHex, readUint32, toHex, writeUint32 } from '@petrel/bytes';
import { nobleCrypto } from '@petrel/crypto/noble';
import { nodeCrypto } from '@petrel/crypto/node';
import { RtpPacket, serializeRtpPacket } from '@petrel/rtp';
import {
  EXPORTER_LABEL,
  keyingMaterialLength,
  PROTECTION_PROFILES,
  protectionProfileById,
  type ProtectionProfileName,
  splitKeyingMaterial,
  SrtcpContext,
  SrtpContext,
  type SrtpContextOptions,
} from '@petrel/srtp';
import { seededRandom } from '@petrel/testing';
import { SrtcpAead, SrtpAead } from '../src/aead-aes-gcm.ts';
import { HeaderExtensionCipher } from '../src/header-extension-cipher.ts';
import { deriveSessionKey, LABEL } from '../src/key-derivation.ts';
import { ReplayList } from '../src/replay-list.ts';
import { guessIndex } from '../src/srtp-context.ts';
import guesses from './vectors/rfc3711-index-guess.json' with { type: 'json' };
import cm from './vectors/rfc3711-aes-cm.json' with { type: 'json' };
import gcm from './vectors/rfc7714-aes-gcm.json' with { type: 'json' };

const crypto = nodeCrypto();
const PROFILES = Object.keys(PROTECTION_PROFILES) as ProtectionProfileName[];
const SSRC = 0xcafebabe;

function options(profile: ProtectionProfileName, fill = 7): SrtpContextOptions {
  const { keyLength, saltLength } = PROTECTION_PROFILES[profile];
  return { crypto, profile, key: new Uint8Array(keyLength).fill(fill), salt: new Uint8Array(saltLength).fill(fill + 1) };
}

function rtp(sequenceNumber: number, ssrc: number = SSRC): Uint8Array {
  const payload = Uint8Array.of(1, 2, 3, 4, sequenceNumber & 0xff, 6, 7);
  const extensions = [{ id: 3, data: Uint8Array.of(1, 2) }];
  return serializeRtpPacket({ payloadType: 96, sequenceNumber: sequenceNumber & 0xffff, timestamp: 9, ssrc, extensions, payload });
}

function rtcp(ssrc: number = SSRC): Uint8Array {
  const packet = fromHex('81c8000bcafebabeab'.repeat(40));
  writeUint32(packet, 4, ssrc);
  return packet;
}

const fail = (): never => {
  throw new Error('the cipher was called');
};

describe.each([crypto, nobleCrypto()])('R01 vectors on the $name provider', (provider) => {
  test.each(cm.keystream)('$rfc: keystream', ({ key, saltShifted, blocks }) => {
    const cipher = provider.aesCtr(fromHex(key));
    const keystream = new Uint8Array(16 * 65_282);
    cipher.apply(fromHex(saltShifted), keystream);
    for (const [block, expected] of Object.entries(blocks))
      expect(toHex(keystream.subarray(16 * Number(block), 16 * Number(block) + 16))).toBe(expected);
  });

  test.each(cm.kdf)('$rfc: key derivation', (vector) => {
    const derive = (label: number, hex: string | undefined): void => {
      if (hex === undefined) return;
      const key = deriveSessionKey(provider, fromHex(vector.masterKey), fromHex(vector.masterSalt), label, hex.length / 2);
      expect(toHex(key)).toBe(hex);
    };
    derive(LABEL.rtpEncryption, vector.label00_cipherKey);
    derive(LABEL.rtpSalt, vector.label02_cipherSalt);
    derive(LABEL.rtpAuthentication, vector.label01_authKey94 ?? vector.label01_authKey20);
    derive(LABEL.rtpHeaderEncryption, vector.label06_headerCipherKey);
    derive(LABEL.rtpHeaderSalt, vector.label07_headerSalt);
  });

  test.each(cm.packets.filter(({ profile }) => profile.startsWith('SRTP_')))('libsrtp packet $id, both ways', (vector) => {
    const keys = { crypto: provider, profile: 'AES_CM_128_HMAC_SHA1_80' as const };
    const context = { ...keys, key: fromHex(vector.masterKey), salt: fromHex(vector.masterSalt) };
    const sender = vector.type === 'rtp' ? new SrtpContext(context) : new SrtcpContext(context);
    if (sender instanceof SrtcpContext) sender.setNextIndex(vector.index!);
    const receiver = vector.type === 'rtp' ? new SrtpContext(context) : new SrtcpContext(context);
    expect(toHex(sender.protect(fromHex(vector.plain))!)).toBe(vector.protected);
    expect(toHex(receiver.unprotect(fromHex(vector.protected))!)).toBe(vector.plain);
  });

  test.each(gcm.vectors.filter(({ type }) => type === 'rtp' || type === 'rtcp'))('$rfc with session keys, both ways', (vector) => {
    const keys = { encryption: fromHex(vector.key), salt: fromHex(vector.salt!) };
    const algorithm = vector.profile === 'AEAD_AES_128_GCM' ? 'aes-128-gcm' : 'aes-256-gcm';
    const transform = vector.type === 'rtp' ? new SrtpAead(provider, algorithm, keys) : new SrtcpAead(provider, algorithm, keys);
    const [clear, index] = vector.type === 'rtp' ? [12, vector.seq!] : [8, vector.index!];
    const packet = fromHex(vector.packet);
    const output = new Uint8Array(packet.length + transform.overhead);
    transform.seal(packet, clear, Number.parseInt(vector.ssrc!, 16), index, output);
    expect(toHex(output)).toBe(vector.protected);
    const length = transform.open(output, clear, Number.parseInt(vector.ssrc!, 16), index);
    expect(toHex(output.subarray(0, length))).toBe(vector.packet);
  });
});

/** A packet whose header extension has these elements (one-byte form). */
const header = (block: string): Uint8Array => fromHex(`90601234decafbadcafebabebede0006${block}`);

describe('RFC 6904: encrypted header extensions', () => {
  test.each(cm.headerExtensionEncryption)('R01 $rfc', (vector) => {
    const keys = { encryption: fromHex(vector.sessionKey), salt: fromHex(vector.sessionSalt) };
    const cipher = new HeaderExtensionCipher(crypto, keys, [1, 3, 4]);
    const packet = header(vector.plaintext);
    cipher.apply(packet, packet.length, Number.parseInt(vector.ssrc, 16), vector.seq);
    expect(toHex(packet)).toBe(toHex(header(vector.ciphertext)));
    cipher.apply(packet, packet.length, Number.parseInt(vector.ssrc, 16), vector.seq);
    expect(toHex(packet)).toBe(toHex(header(vector.plaintext)));
  });

  test.each(PROFILES)('%s: the chosen elements are not readable on the way, and come back', (profile) => {
    const context = { ...options(profile), encryptedExtensions: [3] };
    const [sender, receiver] = [new SrtpContext(context), new SrtpContext(context)];
    const extensions = [1, 3].map((id) => ({ id, data: new Uint8Array(10).fill(id) }));
    const packet = serializeRtpPacket({
      payloadType: 96,
      sequenceNumber: 1,
      timestamp: 2,
      ssrc: 3,
      extensions,
      payload: new Uint8Array(5),
    });
    const original = packet.slice();
    const onTheWay = sender.protect(packet)!;
    expect(packet).toEqual(original);
    const seen = RtpPacket.parse(onTheWay)!;
    expect(seen.extension(1)).toEqual(extensions[0]!.data);
    expect(seen.extension(3)).not.toEqual(extensions[1]!.data);
    expect(new SrtpContext(options(profile)).unprotect(onTheWay.slice())).not.toEqual(original);
    expect(receiver.unprotect(onTheWay)).toEqual(original);
    expect(receiver.unprotect(sender.protect(rtp(7).subarray(0, 20))!)).toEqual(rtp(7).subarray(0, 20));
  });
});

test.each(PROFILES)('%s: memory that is used again holds the next packets, and nothing of those before', (profile) => {
  const [reusing, fresh] = [new SrtpContext(options(profile)), new SrtpContext(options(profile))];
  expect(reusing.wantsMemory).toBe(false);
  for (let sequenceNumber = 0; sequenceNumber < 3600; sequenceNumber++) {
    expect(reusing.protect(rtp(sequenceNumber))).toEqual(fresh.protect(rtp(sequenceNumber)));
    if (sequenceNumber % 1200 < 1199) continue;
    expect(reusing.wantsMemory).toBe(true);
    reusing.reuseMemory();
    expect(reusing.wantsMemory).toBe(false);
  }
});

describe('keys from DTLS', () => {
  test('RFC 5764 §4.2: client key, server key, client salt, server salt', () => {
    expect(EXPORTER_LABEL).toBe('EXTRACTOR-dtls_srtp');
    for (const profile of PROFILES) {
      const { keyLength, saltLength, id } = PROTECTION_PROFILES[profile];
      const exported = crypto.randomBytes(keyingMaterialLength(profile));
      const client = splitKeyingMaterial(profile, exported, 'client');
      const server = splitKeyingMaterial(profile, exported, 'server');
      expect(client.local).toEqual(server.remote);
      expect(client.remote).toEqual(server.local);
      expect(client.local.key).toEqual(exported.subarray(0, keyLength));
      expect(server.local.salt).toEqual(exported.subarray(2 * keyLength + saltLength));
      expect(protectionProfileById(id)?.name).toBe(profile);
      expect(() => splitKeyingMaterial(profile, exported.subarray(1), 'client')).toThrow(RangeError);
      expect(() => new SrtpContext({ ...options(profile), salt: new Uint8Array(3) })).toThrow(RangeError);
    }
    expect(protectionProfileById(5)).toBeUndefined();
  });
});

describe.each(PROFILES)('%s', (profile) => {
  const pair = (): [SrtpContext, SrtpContext] => [new SrtpContext(options(profile)), new SrtpContext(options(profile))];
  const rtcpPair = (): [SrtcpContext, SrtcpContext] => [new SrtcpContext(options(profile)), new SrtcpContext(options(profile))];

  test('what is protected comes back, and the argument is not changed', () => {
    const [sender, receiver] = pair();
    for (const sequenceNumber of [1, 2, 3]) {
      const packet = rtp(sequenceNumber);
      const protectedPacket = sender.protect(packet)!;
      expect(packet).toEqual(rtp(sequenceNumber));
      expect(protectedPacket.length).toBe(packet.length + PROTECTION_PROFILES[profile].tagLength);
      expect(protectedPacket.subarray(20)).not.toEqual(packet.subarray(20));
      expect(receiver.unprotect(protectedPacket)).toEqual(packet);
    }
    const [rtcpSender, rtcpReceiver] = rtcpPair();
    for (let i = 0; i < 3; i++) expect(rtcpReceiver.unprotect(rtcpSender.protect(rtcp())!)).toEqual(rtcp());
  });

  test('a packet without payload can be protected', () => {
    const [sender, receiver] = pair();
    const empty = rtp(1).subarray(0, 20);
    expect(receiver.unprotect(sender.protect(empty)!)).toEqual(empty);
  });

  test('R02 RFC 3711 §3.3: no flipped bit of header, payload, index or tag is accepted, and none changes the state', () => {
    const [sender, receiver] = pair();
    const good = sender.protect(rtp(1))!;
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = good.slice();
      bad[bit >> 3]! ^= 1 << (bit & 7);
      expect(receiver.unprotect(bad)).toBeUndefined();
    }
    expect(receiver.streams).toBe(0);
    expect(receiver.unprotect(good.slice())).toEqual(rtp(1));
    const [rtcpSender, rtcpReceiver] = rtcpPair();
    const goodRtcp = rtcpSender.protect(rtcp())!;
    for (let bit = 0; bit < goodRtcp.length * 8; bit++) {
      const bad = goodRtcp.slice();
      bad[bit >> 3]! ^= 1 << (bit & 7);
      expect(rtcpReceiver.unprotect(bad)).toBeUndefined();
    }
    expect(rtcpReceiver.streams).toBe(0);
    expect(rtcpReceiver.unprotect(goodRtcp)).toEqual(rtcp());
  });

  test('R03 RFC 3711 §3.3.2: replayed packets, and those older than the window of 1,024, are dropped', () => {
    const [sender, receiver] = pair();
    const packets = Array.from({ length: 1100 }, (_, index) => sender.protect(rtp(index))!);
    const again = (index: number): Uint8Array | undefined => receiver.unprotect(packets[index]!.slice());
    expect(again(5)).toBeDefined();
    expect(again(5)).toBeUndefined();
    expect(again(1099)).toBeDefined();
    expect(again(76)).toEqual(rtp(76)); // 1,023 behind: the last one in the window
    expect(again(76)).toBeUndefined();
    expect(again(75)).toBeUndefined();
    expect(receiver.discards.toJSON()).toEqual({ replayed: 2, 'too-old': 1 });
    const [rtcpSender, rtcpReceiver] = rtcpPair();
    const compounds = Array.from({ length: 1030 }, () => rtcpSender.protect(rtcp())!);
    expect(rtcpReceiver.unprotect(compounds[1029]!.slice())).toBeDefined();
    expect(rtcpReceiver.unprotect(compounds[1029]!.slice())).toBeUndefined();
    expect(rtcpReceiver.unprotect(compounds[1]!.slice())).toBeUndefined();
    expect(rtcpReceiver.unprotect(compounds[6]!.slice())).toBeDefined();
    expect(rtcpReceiver.discards.toJSON()).toEqual({ replayed: 1, 'too-old': 1 });
  });

  test('R04 an unauthentic packet far ahead moves neither rollover counter nor window', () => {
    const [sender, receiver] = pair();
    expect(receiver.unprotect(sender.protect(rtp(10))!)).toBeDefined();
    const forger = new SrtpContext(options(profile, 99));
    for (const sequenceNumber of [32_000, 40_000, 65_535, 11])
      expect(receiver.unprotect(forger.protect(rtp(sequenceNumber))!)).toBeUndefined();
    expect(receiver.discards.total).toBe(4);
    for (let i = 11; i < 40; i++) expect(receiver.unprotect(sender.protect(rtp(i))!)).toEqual(rtp(i));
  });

  test('R05 RFC 3711 §3.3.1: 2^15 - 1 packets lost across the wrap, and reordering over it', () => {
    const [sender, receiver] = pair();
    expect(receiver.unprotect(sender.protect(rtp(65_000))!)).toBeDefined();
    let late: Uint8Array | undefined;
    for (let i = 65_001; i < 65_000 + 0x7fff; i += 1000) late = sender.protect(rtp(i))!;
    expect(receiver.unprotect(sender.protect(rtp(65_000 + 0x7fff))!)).toEqual(rtp(65_000 + 0x7fff));
    expect(receiver.unprotect(late!)).toEqual(rtp(lastStep(65_001, 65_000 + 0x7fff, 1000)));
    const [before, after] = pair();
    expect(after.unprotect(before.protect(rtp(10))!)).toBeDefined();
    expect(before.protect(rtp(65_000))).toBeUndefined(); // the rollover counter cannot be -1
    expect(after.unprotect(concatBytes(rtp(65_000), new Uint8Array(16)))).toBeUndefined();
    expect(after.discards.toJSON()).toEqual({ 'too-old': 1 });
    const [sender2, receiver2] = pair();
    const packets = [65_530, 65_535, 65_536, 65_537].map((index) => sender2.protect(rtp(index))!);
    for (const index of [0, 2, 1, 3]) expect(receiver2.unprotect(packets[index]!)).toBeDefined();
    for (let i = 65_538; i < 65_536 * 3; i += 30_000) expect(receiver2.unprotect(sender2.protect(rtp(i))!)).toEqual(rtp(i));
  });

  test('R07 packets shorter than header, extension and tag are dropped before any cipher', () => {
    const [, receiver] = pair();
    const noCipher = new SrtpContext({
      ...options(profile),
      crypto: { ...crypto, aead: () => ({ seal: fail, open: fail }), hmac: () => ({ compute: fail }) },
    });
    for (const { hex } of guesses.malformedRtp) expect(noCipher.unprotect(fromHex(hex))).toBeUndefined();
    const short = rtp(1).subarray(0, 20 + PROTECTION_PROFILES[profile].tagLength - 1);
    for (let length = 0; length <= short.length; length++) expect(noCipher.unprotect(short.slice(0, length))).toBeUndefined();
    expect(noCipher.discards.of('malformed')).toBe(noCipher.discards.total);
    const rtcpContext = new SrtcpContext({
      ...options(profile),
      crypto: { ...crypto, aead: () => ({ seal: fail, open: fail }), hmac: () => ({ compute: fail }) },
    });
    const minimum = 8 + 4 + PROTECTION_PROFILES[profile].rtcpTagLength;
    for (let length = 0; length < minimum; length++) expect(rtcpContext.unprotect(new Uint8Array(length).fill(0x80))).toBeUndefined();
    expect(rtcpContext.discards.toJSON()).toEqual({ malformed: minimum });
    expect(receiver.unprotect(new Uint8Array(0))).toBeUndefined();
  });

  test('R10 RFC 8827 §6.5: SRTCP that is not encrypted is dropped, before it is authenticated', () => {
    const [sender, receiver] = rtcpPair();
    const packet = sender.protect(rtcp())!;
    const at = packet.length - (profile.startsWith('AES_CM') ? 14 : 4);
    writeUint32(packet, at, readUint32(packet, at) & 0x7fff_ffff);
    expect(receiver.unprotect(packet)).toBeUndefined();
    expect(receiver.discards.toJSON()).toEqual({ unencrypted: 1 });
  });

  test('R11 RFC 3711 §9.1: no index is used twice for one SSRC, except for the same packet', () => {
    const [sender] = pair();
    const first = sender.protect(rtp(5))!;
    expect(sender.protect(rtp(5))).toBeUndefined();
    expect(sender.protect(rtp(5), true)).toEqual(first);
    expect(sender.protect(rtp(7))).toBeDefined();
    expect(sender.protect(rtp(6))).toBeDefined();
    expect(sender.protect(rtp(6))).toBeUndefined();
    expect(sender.protect(rtp(5, 1))).toBeDefined();
    expect(sender.protect(rtp(2000))).toBeDefined();
    expect(sender.protect(rtp(8))).toBeUndefined(); // never sent, but too old to be sure
    expect(sender.discards.toJSON()).toEqual({ 'repeated-index': 3 });
  });

  test('R11 RFC 3711 §9.2: at 2^48 packets, and 2^31 of RTCP, sending stops', () => {
    const [sender, receiver] = pair();
    sender.setIndex(SSRC, 2 ** 48 - 3);
    receiver.setIndex(SSRC, 2 ** 48 - 3);
    expect(receiver.unprotect(sender.protect(rtp(65_534))!)).toEqual(rtp(65_534));
    expect(receiver.unprotect(sender.protect(rtp(65_535))!)).toEqual(rtp(65_535));
    expect(sender.protect(rtp(0))).toBeUndefined();
    expect(sender.discards.toJSON()).toEqual({ 'key-expired': 1 });
    const [rtcpSender, rtcpReceiver] = rtcpPair();
    rtcpSender.setNextIndex(2 ** 31 - 1);
    expect(rtcpReceiver.unprotect(rtcpSender.protect(rtcp())!)).toEqual(rtcp());
    expect(rtcpSender.protect(rtcp())).toBeUndefined();
    expect(() => rtcpSender.setNextIndex(0)).toThrow(RangeError);
  });

  test('R11 an SSRC change starts a stream of its own; the index of RTCP is one for all SSRCs', () => {
    const [sender, receiver] = pair();
    for (const ssrc of [1, 2, 3])
      for (let i = 65_530; i < 65_540; i++) expect(receiver.unprotect(sender.protect(rtp(i, ssrc))!)).toBeDefined();
    expect(receiver.streams).toBe(3);
    const context = new SrtcpContext(options(profile));
    const indices = [1, 2, 1].map((ssrc) => {
      const packet = context.protect(rtcp(ssrc))!;
      return readUint32(packet, packet.length - (profile.startsWith('AES_CM') ? 14 : 4)) & 0x7fff_ffff;
    });
    expect(indices).toEqual([0, 1, 2]);
  });
});

function lastStep(from: number, below: number, step: number): number {
  let last = from;
  while (last + step < below) last += step;
  return last;
}

test('R06, R08, F04: packets with random SSRCs and bad tags leave no state; the valid stream is unharmed', () => {
  const profile = 'AES_CM_128_HMAC_SHA1_80';
  const sender = new SrtpContext(options(profile));
  const receiver = new SrtpContext(options(profile));
  const random = seededRandom(5);
  const rtcpReceiver = new SrtcpContext(options(profile));
  for (let i = 0; i < 20_000; i++) {
    const junk = random.randomBytes(60);
    junk[0] = 0x80;
    receiver.unprotect(junk.slice());
    junk.fill(0xff, 46);
    rtcpReceiver.unprotect(junk);
    if (i % 100 === 0) expect(receiver.unprotect(sender.protect(rtp(i / 100))!)).toBeDefined();
  }
  expect([receiver.streams, rtcpReceiver.streams]).toEqual([1, 0]);
  expect(receiver.discards.of('bad-tag')).toBe(20_000);
});

test('state is bounded: no more than 4,096 SSRCs', () => {
  const sender = new SrtpContext(options('AEAD_AES_128_GCM'));
  for (let ssrc = 1; ssrc <= 4096; ssrc++) expect(sender.protect(rtp(1, ssrc))).toBeDefined();
  expect(sender.protect(rtp(1, 5000))).toBeUndefined();
  expect(sender.discards.toJSON()).toEqual({ 'too-many-streams': 1 });
});

test.each(guesses.cases)('R05 RFC 3711 §3.3.1: s_l $s_l, ROC $roc, SEQ $seq gives $v', ({ s_l, roc, seq, v }) => {
  expect(guessIndex(roc * 65_536 + s_l, seq)).toBe(v < 0 ? -1 : v * 65_536 + seq);
});

test('the replay list agrees with a set of everything that was seen', () => {
  const list = new ReplayList();
  const seen = new Set<number>();
  const random = seededRandom(9);
  let highest = 0;
  for (let i = 0; i < 20_000; i++) {
    const index = Math.max(0, highest + random.below(60) - 40 + (random.below(500) === 0 ? 2000 : 0));
    const expected = index <= highest - 1024 ? 'too-old' : seen.has(index) ? 'seen' : 'fresh';
    expect(i === 0 ? 'fresh' : list.check(index)).toBe(i === 0 ? 'fresh' : expected);
    if (expected !== 'fresh') continue;
    list.add(index);
    seen.add(index);
    highest = Math.max(highest, index);
  }
});
