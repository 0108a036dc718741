import { fingerprint } from '@petrel/crypto';
import { nodeCrypto } from '@petrel/crypto/node';
import { CookieExchange, DtlsConnection, type DtlsOptions } from '@petrel/dtls';
import { testCertificate } from '@petrel/testing';
import { decodeAlert } from '../../packages/dtls/src/alert.ts';
import * as messages from '../../packages/dtls/src/handshake-messages.ts';
import { Reassembler } from '../../packages/dtls/src/reassembler.ts';
import { CLIENT_WORD, converse, Puppet, SERVER_WORD } from '../../packages/dtls/test/support/puppet.ts';

const crypto = nodeCrypto();
const certificates = [testCertificate(crypto, 0), testCertificate(crypto, 1)] as const;
const options = (role: 'client' | 'server'): DtlsOptions => ({
  role,
  crypto,
  certificate: certificates[role === 'client' ? 0 : 1],
  remoteFingerprints: [fingerprint(crypto, 'sha-256', certificates[role === 'client' ? 1 : 0].derChain[0]!)],
  srtpProfiles: [7, 1],
  applicationProtocols: ['webrtc'],
});

function drain(connection: DtlsConnection): Uint8Array[] {
  const datagrams: Uint8Array[] = [];
  for (let datagram = connection.pollTransmit(); datagram; datagram = connection.pollTransmit()) datagrams.push(datagram);
  return datagrams;
}

/** A pair after so many flights, with every datagram that it has sent. */
function after(flights: number): { client: DtlsConnection; server: DtlsConnection; sent: Uint8Array[] } {
  const [client, server] = [new DtlsConnection(options('client')), new DtlsConnection(options('server'))];
  const sent: Uint8Array[] = [];
  client.start(0);
  server.start(0);
  for (let turn = 0; turn < flights; turn++) {
    const [from, to] = turn % 2 === 0 ? [client, server] : [server, client];
    for (const datagram of drain(from)) {
      sent.push(datagram.slice());
      to.receive(datagram, 0);
    }
  }
  return { client, server, sent };
}

const { client, server, sent } = after(4);
if (client.state !== 'connected' || server.state !== 'connected') throw new Error('the pair to be tested does not connect');
client.pollEvent();
server.pollEvent();

/** Handshake messages in the clear, without their record's header. */
const handshakes = sent.flatMap((datagram) => {
  const list: Uint8Array[] = [];
  for (let at = 0; at < datagram.length; ) {
    const length = (datagram[at + 11]! << 8) | datagram[at + 12]!;
    if (datagram[at] === 22 && datagram[at + 4] === 0) list.push(datagram.slice(at + 13, at + 13 + length));
    at += 13 + length;
  }
  return list;
});

export const seeds: readonly Uint8Array[] = [
  ...sent,
  ...handshakes,
  ...handshakes.map((message) => message.subarray(12)),
  Uint8Array.of(2, 40),
  Uint8Array.of(1, 0),
];

const cookies = new CookieExchange(crypto);

export const targets: Readonly<Record<string, (input: Uint8Array) => void>> = {
  'connected, not authentic': (input) => {
    for (const side of [client, server]) {
      side.receive(input.slice(), 1000);
      side.handleTimeout(1000);
      drain(side);
      if (side.state !== 'connected' || side.pollEvent() !== undefined) throw new Error('something changed');
    }
  },
  'connected, authentic': (input) => {
    // What the peer itself may send: any type and any content under the real keys.
    for (const [role, word] of [
      ['client', SERVER_WORD],
      ['server', CLIENT_WORD],
    ] as const) {
      const subject = new DtlsConnection(options(role));
      const puppet = new Puppet(role === 'client' ? 'server' : 'client', crypto);
      subject.start(0);
      converse(subject, puppet, word);
      if (subject.state !== 'connected') throw new Error('the puppet does not connect');
      const type = [20, 21, 22, 22, 23, 99][(input[0] ?? 0) % 6]!;
      subject.receive(puppet.records.seal(type, 1, input.subarray(1, 16_000)), 0);
      subject.handleTimeout(100_000);
      drain(subject);
    }
  },
  server: (input) => {
    const { server: fresh } = after(0);
    fresh.receive(input, 0);
    fresh.handleTimeout(10_000);
    drain(fresh);
  },
  'client before flight 4': (input) => {
    const { client: waiting } = after(0);
    waiting.receive(input, 0);
    drain(waiting);
  },
  'server before flight 5': (input) => {
    const { server: waiting } = after(1);
    waiting.receive(input, 0);
    drain(waiting);
  },
  'client before flight 6': (input) => {
    const { client: waiting } = after(2);
    waiting.receive(input, 0);
    drain(waiting);
  },
  cookies: (input) => {
    const verdict = cookies.check(input, '192.0.2.1:5000', 0);
    if (verdict.type === 'challenge' && verdict.datagram.length > input.length) throw new Error('amplified');
  },
  fragments: (input) => {
    const reassembler = new Reassembler();
    reassembler.add(input, 0);
    reassembler.add(input.subarray(1), 1);
    while (reassembler.next() !== undefined);
    reassembler.clear();
  },
  messages: (input) => {
    messages.decodeClientHello(input);
    messages.decodeHelloVerifyRequest(input);
    messages.decodeServerHello(input);
    messages.decodeCertificate(input);
    messages.decodeServerKeyExchange(input);
    messages.decodeCertificateRequest(input);
    messages.decodeClientKeyExchange(input);
    messages.decodeSignature(input);
    decodeAlert(input);
  },
};
