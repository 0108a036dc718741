import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { concatBytes, fromHex, toHex } from '@petrel/bytes';
import { nodeCrypto } from '@petrel/crypto/node';
import { serializeRtcp, serializeRtpPacket } from '@petrel/rtp';
import { PROTECTION_PROFILES, type ProtectionProfileName, SrtcpContext, SrtpContext } from '@petrel/srtp';

const INSTALL = 'apt-get install gcc libc6-dev libsrtp2-dev';
const folder = mkdtempSync(join(tmpdir(), 'petrel-libsrtp-'));
const program = join(folder, 'srtp-peer');
const source = join(__dirname, '../peers/srtp-peer.c');
const compiled = spawnSync('cc', ['-O2', '-o', program, source, '-lsrtp2']);
const crypto = nodeCrypto();

/** libsrtp2 in a process of its own. */
class Libsrtp {
  readonly #child: ChildProcessWithoutNullStreams = spawn(program);
  readonly #waiting: ((line: string) => void)[] = [];

  constructor() {
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#waiting.shift()?.(line));
  }

  /** The bytes of the answer; undefined when libsrtp refused. */
  ask(request: string): Promise<Uint8Array | undefined> {
    this.#child.stdin.write(`${request}\n`);
    return new Promise((resolve) => this.#waiting.push((line) => resolve(line.startsWith('ok') ? fromHex(line.slice(3)) : undefined)));
  }

  close(): void {
    this.#child.kill();
  }
}

function rtp(sequenceNumber: number, ssrc = 0xcafebabe): Uint8Array {
  const payload = new Uint8Array(20 + (sequenceNumber % 50)).map((_, index) => index + sequenceNumber);
  const extensions = sequenceNumber % 2 === 0 ? [{ id: 1, data: Uint8Array.of(1, 2, 3) }] : [];
  return serializeRtpPacket({
    payloadType: 96,
    sequenceNumber: sequenceNumber & 0xffff,
    timestamp: sequenceNumber,
    ssrc,
    extensions,
    payload,
  });
}

function rtcp(count: number): Uint8Array {
  return serializeRtcp([
    { type: 'receiver-report', ssrc: 0xcafebabe, reports: [] },
    { type: 'source-description', chunks: [{ ssrc: 0xcafebabe, items: [{ type: 1, text: 'x'.repeat(count + 1) }] }] },
  ]);
}

const describeWithLibsrtp = compiled.status === 0 ? describe : describe.skip;

describeWithLibsrtp(`R13 libsrtp2${compiled.status === 0 ? '' : ` [libsrtp2 is missing: ${INSTALL}]`}`, () => {
  let peer: Libsrtp;
  beforeAll(() => {
    peer = new Libsrtp();
  });
  afterAll(() => {
    peer.close();
    rmSync(folder, { recursive: true });
  });

  describe.each(Object.keys(PROTECTION_PROFILES) as ProtectionProfileName[])('%s', (profile) => {
    const { id, keyLength, saltLength } = PROTECTION_PROFILES[profile];
    const key = crypto.randomBytes(keyLength);
    const salt = crypto.randomBytes(saltLength);
    const options = { crypto, profile, key, salt };
    const open = (slot: number, direction: string) => peer.ask(`new ${slot} ${direction} ${id} ${toHex(concatBytes(key, salt))}`);
    // Over two wraps of the sequence number, with gaps and reordering.
    const sequence = [65_000, 65_001, 65_535, 65_534, 65_537, 65_536, 65_600, 90_000, 120_000, 131_071, 131_073, 131_072];

    test('unprotects what we protect, byte for byte as it protects itself', async () => {
      await open(0, 'receive');
      await open(1, 'send');
      const sender = new SrtpContext(options);
      for (const index of sequence) {
        const ours = sender.protect(rtp(index))!;
        expect(toHex((await peer.ask(`rtp+ 1 ${toHex(rtp(index))}`))!)).toBe(toHex(ours));
        expect(await peer.ask(`rtp- 0 ${toHex(ours)}`)).toEqual(rtp(index));
        expect(await peer.ask(`rtp- 0 ${toHex(ours)}`)).toBeUndefined(); // it has a replay list too
      }
      const rtcpSender = new SrtcpContext(options);
      for (let i = 0; i < 10; i++) expect(await peer.ask(`rtcp- 0 ${toHex(rtcpSender.protect(rtcp(i))!)}`)).toEqual(rtcp(i));
    });

    test('what it protects we unprotect, once', async () => {
      await open(0, 'send');
      const receiver = new SrtpContext(options);
      for (const ssrc of [1, 0xffffffff])
        for (const index of sequence) {
          const theirs = (await peer.ask(`rtp+ 0 ${toHex(rtp(index, ssrc))}`))!;
          expect(receiver.unprotect(theirs.slice())).toEqual(rtp(index, ssrc));
          expect(receiver.unprotect(theirs)).toBeUndefined();
        }
      const rtcpReceiver = new SrtcpContext(options);
      for (let i = 0; i < 10; i++) {
        const theirs = (await peer.ask(`rtcp+ 0 ${toHex(rtcp(i))}`))!;
        expect(rtcpReceiver.unprotect(theirs.slice())).toEqual(rtcp(i));
        expect(rtcpReceiver.unprotect(theirs)).toBeUndefined();
      }
    });

    test('neither takes what the other did not send', async () => {
      await open(0, 'receive');
      const packet = new SrtpContext({ ...options, salt: new Uint8Array(saltLength) }).protect(rtp(1))!;
      expect(await peer.ask(`rtp- 0 ${toHex(packet)}`)).toBeUndefined();
      expect(new SrtpContext(options).unprotect(packet)).toBeUndefined();
    });
  });
});
