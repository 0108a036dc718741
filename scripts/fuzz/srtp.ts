import { nodeCrypto } from '@petrel/crypto/node';
import { serializeRtcp, serializeRtpPacket } from '@petrel/rtp';
import { PROTECTION_PROFILES, type ProtectionProfileName, SrtcpContext, SrtpContext } from '@petrel/srtp';

const crypto = nodeCrypto();
const profiles = Object.keys(PROTECTION_PROFILES) as ProtectionProfileName[];
const options = (profile: ProtectionProfileName) => ({
  crypto,
  profile,
  key: new Uint8Array(PROTECTION_PROFILES[profile].keyLength).fill(1),
  salt: new Uint8Array(PROTECTION_PROFILES[profile].saltLength).fill(2),
});
const contexts = profiles.map((profile) => ({ rtp: new SrtpContext(options(profile)), rtcp: new SrtcpContext(options(profile)) }));
const rtp = (sequenceNumber: number): Uint8Array =>
  serializeRtpPacket({
    payloadType: 96,
    sequenceNumber,
    timestamp: 1,
    ssrc: 5,
    extensions: [{ id: 1, data: Uint8Array.of(1) }],
    payload: new Uint8Array(30),
  });
const rtcp = serializeRtcp([{ type: 'receiver-report', ssrc: 5, reports: [] }]);
const authentic = new Set<string>();

/** Seeds are authentic packets; everything that is not one of them, byte for byte, must be refused. */
export const seeds: Uint8Array[] = profiles.flatMap((profile) => {
  const [sender, rtcpSender] = [new SrtpContext(options(profile)), new SrtcpContext(options(profile))];
  return [...[1, 2, 3].map((sequenceNumber) => sender.protect(rtp(sequenceNumber))!), rtcpSender.protect(rtcp)!, rtcpSender.protect(rtcp)!];
});
for (const seed of seeds) authentic.add(seed.join());

function check(input: Uint8Array, unprotect: (packet: Uint8Array) => Uint8Array | undefined): void {
  const before = input.join();
  if (unprotect(input) !== undefined && !authentic.has(before)) throw new Error('a packet was accepted that nobody sent');
}

export const targets: Record<string, (input: Uint8Array) => void> = {
  rtp: (input) => contexts.forEach((context) => check(input.slice(), (packet) => context.rtp.unprotect(packet))),
  rtcp: (input) => contexts.forEach((context) => check(input.slice(), (packet) => context.rtcp.unprotect(packet))),
  protect: (input) => void new SrtpContext(options('AEAD_AES_128_GCM')).protect(input),
};
