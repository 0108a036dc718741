// SRTP protect and unprotect, packets a second on one core, beside the cipher calls of node:crypto alone, and libsrtp's (if it is installed).
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import { nodeCrypto } from '@petrel/crypto/node';
import { serializeRtpPacket } from '@petrel/rtp';
import { PROTECTION_PROFILES, type ProtectionProfileName, SrtpContext } from '@petrel/srtp';

/** Both are measured in slices that alternate, so that what else the machine does falls on both. */
const SLICES = 400;
const PACKETS = 100;
const HEADER = 12;

/** One way to protect packets and to take the protection off again. */
interface Path {
  protect(packet: Uint8Array): unknown;
  unprotect(sealed: unknown): void;
}

const LIBSRTP = '.cache/bench/srtp-peer';
const hasLibsrtp = spawnSync('cc', ['-O2', '-o', LIBSRTP, 'packages/interop/peers/srtp-peer.c', '-lsrtp2']).status === 0;
const rows: Record<string, Record<string, string>> = {};
for (const profile of Object.keys(PROTECTION_PROFILES) as ProtectionProfileName[])
  for (const size of [100, 1200]) {
    const libsrtp = measureLibsrtp(profile, size);
    const [ours, raw] = measure([srtp(profile), rawCipher(profile)], size);
    rows[`${profile}, ${size} B`] = {
      'protect/s': (1e6 / ours!.protect).toFixed(0),
      'unprotect/s': (1e6 / ours!.unprotect).toFixed(0),
      µs: `${ours!.protect.toFixed(2)} / ${ours!.unprotect.toFixed(2)}`,
      'node:crypto alone, µs': `${raw!.protect.toFixed(2)} / ${raw!.unprotect.toFixed(2)}`,
      ...(libsrtp !== undefined && { 'libsrtp, µs': libsrtp }),
      ratio: `${(ours!.protect / raw!.protect).toFixed(2)} / ${(ours!.unprotect / raw!.unprotect).toFixed(2)}`,
    };
  }
console.table(rows);

/** Medians over the slices, µs of CPU a packet. */
function measure(paths: readonly Path[], size: number): { protect: number; unprotect: number }[] {
  const times = paths.map(() => ({ protect: [] as number[], unprotect: [] as number[] }));
  const payload = new Uint8Array(size).fill(5);
  let sequenceNumber = 0;
  for (let slice = 0; slice < SLICES; slice++) {
    const packets = Array.from({ length: PACKETS }, () => {
      sequenceNumber = (sequenceNumber + 1) & 0xffff;
      return serializeRtpPacket({ payloadType: 96, sequenceNumber, timestamp: 1, ssrc: 0x1234, payload });
    });
    paths.forEach((path, index) => {
      const sealed: unknown[] = [];
      times[index]!.protect.push(cpu(() => packets.forEach((packet) => sealed.push(path.protect(packet)))));
      times[index]!.unprotect.push(cpu(() => sealed.forEach((packet) => path.unprotect(packet))));
    });
  }
  return times.map(({ protect, unprotect }) => ({ protect: median(protect), unprotect: median(unprotect) }));
}

function srtp(profile: ProtectionProfileName): Path {
  const { keyLength, saltLength } = PROTECTION_PROFILES[profile];
  const options = { crypto: nodeCrypto(), profile, key: new Uint8Array(keyLength).fill(1), salt: new Uint8Array(saltLength).fill(2) };
  const [sender, receiver] = [new SrtpContext(options), new SrtpContext(options)];
  return {
    protect: (packet) => sender.protect(packet),
    unprotect(sealed) {
      if (receiver.unprotect(sealed as Uint8Array) === undefined) throw new Error('not authentic');
    },
  };
}

/** The cipher and the MAC of one packet, as node:crypto documents them, with nothing around. */
function rawCipher(profile: ProtectionProfileName): Path {
  const { keyLength, cipher } = PROTECTION_PROFILES[profile];
  const key = createSecretKey(Buffer.alloc(keyLength, 1));
  if (cipher === 'aes-cm') return rawCounterMode(key);
  const algorithm = `aes-${keyLength * 8}-gcm` as 'aes-128-gcm';
  const nonce = Buffer.alloc(12);
  return {
    protect(packet) {
      const seal = createCipheriv(algorithm, key, nonce, { authTagLength: 16 });
      const header = packet.subarray(0, HEADER);
      seal.setAAD(header);
      const data = seal.update(packet.subarray(HEADER));
      seal.final();
      return { header, data, tag: seal.getAuthTag() };
    },
    unprotect(sealed) {
      const { header, data, tag } = sealed as Record<'header' | 'data' | 'tag', Uint8Array>;
      const open = createDecipheriv(algorithm, key, nonce, { authTagLength: 16 });
      open.setAAD(header).setAuthTag(tag);
      open.update(data);
      open.final();
    },
  };
}

function rawCounterMode(key: KeyObject): Path {
  const [macKey, block] = [createSecretKey(Buffer.alloc(20, 1)), Buffer.alloc(16)];
  const run = (packet: Uint8Array): Uint8Array => {
    createCipheriv('aes-128-ctr', key, block).update(packet.subarray(HEADER));
    createHmac('sha1', macKey).update(packet).digest();
    return packet;
  };
  return { protect: run, unprotect: (sealed) => void run(sealed as Uint8Array) };
}

/** libsrtp's own figures on this machine, by its process's CPU time. */
function measureLibsrtp(profile: ProtectionProfileName, size: number): string | undefined {
  if (!hasLibsrtp) return undefined;
  const answer = execFileSync(LIBSRTP, { input: `bench ${PROTECTION_PROFILES[profile].id} ${size} 60000\n`, encoding: 'utf8' });
  return answer.trim().replace('ok ', '').replace(' ', ' / ');
}

/** µs of CPU a packet. */
function cpu(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / PACKETS;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
