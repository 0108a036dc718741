import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { toHex } from '@petrel/bytes';
import { type Certificate, fingerprint, generateCertificate } from '@petrel/crypto';
import { nodeCrypto } from '@petrel/crypto/node';
import { CIPHER_SUITES, DtlsConnection, DtlsListener, type DtlsOptions } from '@petrel/dtls';
import { describeWith } from './describe-with.ts';
import { DtlsEndpoint, DtlsTool, EXPORTED_LENGTH, freePort, type Tool, type ToolOptions } from './dtls-tools.ts';

const crypto = nodeCrypto();
const ours = {} as { ecdsa: Certificate; rsa: Certificate };
const theirs = {} as { ecdsa: Certificate; rsa: Certificate };
const open: { stop(): unknown }[] = [];

beforeAll(async () => {
  for (const side of [ours, theirs]) {
    side.ecdsa = await generateCertificate(crypto, Date.now(), { algorithm: 'ecdsa-p256' });
    side.rsa = await generateCertificate(crypto, Date.now(), { algorithm: 'rsa-2048' });
  }
});

afterEach(async () => {
  for (const each of open.splice(0)) await each.stop();
});

interface Case {
  readonly key?: 'ecdsa' | 'rsa';
  readonly ownKey?: 'ecdsa' | 'rsa';
  readonly options?: Partial<DtlsOptions>;
  readonly tool?: Partial<ToolOptions>;
  /** Ours is a server with cookies. */
  readonly listener?: boolean;
}

/** Connects ours with the tool. */
async function meet(tool: Tool, role: 'server' | 'client', given: Case = {}): Promise<{ endpoint: DtlsEndpoint; peer: DtlsTool }> {
  const certificate = theirs[given.key ?? 'ecdsa'];
  const options = {
    crypto,
    certificate: ours[given.ownKey ?? 'ecdsa'],
    remoteFingerprints: [fingerprint(crypto, 'sha-256', certificate.derChain[0]!)],
    initialTimeout: 100,
    ...given.options,
  };
  const toolOptions = { certificate, ...given.tool };
  const endpoint = new DtlsEndpoint();
  open.push({ stop: () => endpoint.close() });
  if (role === 'server') {
    const port = await freePort();
    const peer = new DtlsTool(tool, role, port, toolOptions);
    open.push(peer);
    await peer.printed(tool === 'openssl' ? /ACCEPT/ : /done/);
    await endpoint.open(new DtlsConnection({ role: 'client', ...options }), port);
    await endpoint.connected();
    return { endpoint, peer };
  }
  await endpoint.open(given.listener ? new DtlsListener({ connection: options }) : new DtlsConnection({ role: 'server', ...options }));
  const peer = new DtlsTool(tool, role, endpoint.port, toolOptions);
  open.push(peer);
  await endpoint.connected();
  return { endpoint, peer };
}

/** One line each way; gnutls-serv sends nothing of its own, but echoes. */
async function expectData(endpoint: DtlsEndpoint, peer: DtlsTool, tool: Tool, role: 'server' | 'client', line = 'from us'): Promise<void> {
  endpoint.connection.send(new TextEncoder().encode(`${line}\n`));
  endpoint.flush();
  await peer.printed(new RegExp(line));
  const answer = tool === 'gnutls' && role === 'server' ? line : 'from them';
  if (answer === 'from them') peer.write(answer);
  await endpoint.happened(() => endpoint.text.includes(answer), 'no data came');
}

const OPENSSL_NAMES = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
} as const;
const GNUTLS_AEADS = { 'aes-128-gcm': 'AES-128-GCM', 'aes-256-gcm': 'AES-256-GCM', 'chacha20-poly1305': 'CHACHA20-POLY1305' } as const;
const GROUPS = {
  x25519: { openssl: 'X25519', gnutls: 'GROUP-X25519' },
  'p-256': { openssl: 'P-256', gnutls: 'GROUP-SECP256R1' },
  'p-384': { openssl: 'P-384', gnutls: 'GROUP-SECP384R1' },
} as const;
const SRTP = {
  openssl: [
    ['SRTP_AES128_CM_SHA1_80', 1],
    ['SRTP_AES128_CM_SHA1_32', 2],
    ['SRTP_AEAD_AES_128_GCM', 7],
    ['SRTP_AEAD_AES_256_GCM', 8],
  ],
  gnutls: [
    ['SRTP_AES128_CM_HMAC_SHA1_80', 1],
    ['SRTP_AES128_CM_HMAC_SHA1_32', 2],
  ],
} as const;
const PRIORITY = 'NORMAL:-VERS-ALL:+VERS-DTLS1.2';

function header(type: number, epoch: number, length: number): number[] {
  return [type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 99, 99, 0, length];
}

for (const tool of ['openssl', 'gnutls'] as const) {
  for (const role of ['server', 'client'] as const) {
    describeWith(tool, `D02: DTLS with ${tool} as ${role}`, () => {
      test.each([
        ['ecdsa', 'ecdsa'],
        ['ecdsa', 'rsa'],
        ['rsa', 'ecdsa'],
        ['rsa', 'rsa'],
      ] as const)('its certificate %s, ours %s', async (key, ownKey) => {
        const { endpoint, peer } = await meet(tool, role, { key, ownKey });
        await expectData(endpoint, peer, tool, role);
      });

      test.each(CIPHER_SUITES.map((suite) => [suite.name, suite] as const))('%s', async (name, suite) => {
        const key = suite.authentication;
        const cipher = tool === 'openssl' ? OPENSSL_NAMES[name] : `${PRIORITY}:-CIPHER-ALL:+${GNUTLS_AEADS[suite.aead]}`;
        const { endpoint, peer } = await meet(tool, role, { key, ownKey: key, tool: { cipher } });
        expect(endpoint.connection.cipherSuite).toBe(name);
        await expectData(endpoint, peer, tool, role);
      });

      test.each(['x25519', 'p-256', 'p-384'] as const)('group %s', async (group) => {
        const names = GROUPS[group];
        // OpenSSL wants the curve of a certificate among its own groups and, as a server, among the client's.
        const groups = [...new Set([names.openssl, 'P-256'])].join(':');
        const options = tool === 'openssl' ? { groups } : { cipher: `${PRIORITY}:-GROUP-ALL:+${names.gnutls}` };
        const own = tool === 'openssl' && role === 'server' ? [...new Set([group, 'p-256'] as const)] : [group];
        const { endpoint, peer } = await meet(tool, role, { tool: options, options: { groups: own } });
        await expectData(endpoint, peer, tool, role);
      });

      test.each<readonly [string, number]>(SRTP[tool])('D25: use_srtp %s, and the exported keys are the same', async (name, id) => {
        const { endpoint, peer } = await meet(tool, role, { tool: { srtp: name }, options: { srtpProfiles: [7, 8, 1, 2] } });
        expect(endpoint.connection.srtpProfile).toBe(id);
        await expectData(endpoint, peer, tool, role);
        if (tool === 'gnutls' && role === 'server') return; // it prints nothing of the handshake
        const [, exported] = await peer.printed(/(?:Keying material|Key material): ([0-9A-Fa-f]+)/);
        expect(toHex(endpoint.connection.exportKeyingMaterial('EXTRACTOR-dtls_srtp', EXPORTED_LENGTH))).toBe(exported!.toLowerCase());
      });

      test('datagrams of at most 300 bytes', async () => {
        const { endpoint, peer } = await meet(tool, role, { tool: { mtu: 300 }, options: { maxDatagram: 300 }, key: 'rsa', ownKey: 'rsa' });
        await expectData(endpoint, peer, tool, role);
      });

      test('with a cookie exchange', async () => {
        const { endpoint, peer } = await meet(tool, role, role === 'server' ? { tool: { cookie: true } } : { listener: true });
        await expectData(endpoint, peer, tool, role);
      });

      test('D09, D10, D13: records that anyone could send change nothing on either side', async () => {
        const { endpoint, peer } = await meet(tool, role);
        await expectData(endpoint, peer, tool, role);
        const forged = [
          [...header(21, 0, 2), 1, 0],
          [...header(21, 0, 2), 2, 40],
          [...header(23, 0, 5), 104, 101, 108, 108, 111],
          [...header(23, 1, 40), ...new Uint8Array(40).fill(7)],
        ].map((bytes) => Uint8Array.from(bytes));
        for (const record of forged) {
          endpoint.connection.receive(record.slice(), performance.now());
          endpoint.inject(record);
        }
        endpoint.flush();
        await expectData(endpoint, peer, tool, role, 'still here');
        expect(endpoint.connection.state).toBe('connected');
        expect(endpoint.connection.discards.toJSON()).toMatchObject({ 'unprotected-alert': 2, 'unprotected-data': 1, 'bad-record-mac': 1 });
      });

      test('RFC 5246 §7.2.1: our close_notify ends its session', async () => {
        const { endpoint, peer } = await meet(tool, role);
        await expectData(endpoint, peer, tool, role);
        endpoint.connection.close();
        endpoint.flush();
        if (tool === 'openssl' || role === 'client') await peer.printed(/CONNECTION CLOSED|closed|DONE|Peer has closed/i);
        if (tool === 'openssl' && role === 'client') await endpoint.happened(() => endpoint.connection.closedByPeer, 'no answer');
      });

      if (tool === 'openssl') {
        test('D22: it asks to renegotiate, and goes on when that is refused', async () => {
          const { endpoint, peer } = await meet(tool, role);
          await expectData(endpoint, peer, tool, role);
          peer.write(role === 'server' ? 'r' : 'R');
          await endpoint.happened(() => endpoint.connection.discards.of('renegotiation') > 0, 'no attempt');
          expect(endpoint.connection.state).toBe('connected');
          endpoint.flush();
        });

        // s_server sends none when it quits.
        if (role === 'server') return;
        test('its close_notify is answered', async () => {
          const { endpoint, peer } = await meet(tool, role);
          await expectData(endpoint, peer, tool, role);
          peer.write('Q');
          await endpoint.happened(() => endpoint.events.some(({ type }) => type === 'closed'), 'no close_notify');
          expect([endpoint.connection.state, endpoint.connection.closeNotifiesReceived]).toEqual(['closed', 1]);
        });
      }
    });
  }
}
