// DTLS: CPU of a handshake for each side and provider, records sealed and opened, half-open handshakes, a flood of ClientHellos.
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import { type Certificate, type CryptoProvider, fingerprint, generateCertificate } from '@petrel/crypto';
import { nobleCrypto } from '@petrel/crypto/noble';
import { nodeCrypto } from '@petrel/crypto/node';
import { type CipherSuiteName, DtlsConnection, DtlsListener } from '@petrel/dtls';
import { testCertificate } from '@petrel/testing';
import { median, printTable } from './lib/table.ts';

const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
const node = nodeCrypto();
const certificates = new Map<CryptoProvider, [Certificate, Certificate]>();

/** Imported once, as an application does. */
function certificatesOf(crypto: CryptoProvider): [Certificate, Certificate] {
  const known = certificates.get(crypto) ?? [testCertificate(crypto, 0), testCertificate(crypto, 1)];
  certificates.set(crypto, known);
  return known;
}

function pair(crypto: CryptoProvider, cipherSuites?: readonly CipherSuiteName[]): { client: DtlsConnection; server: DtlsConnection } {
  const [a, b] = certificatesOf(crypto);
  const common = { crypto, srtpProfiles: [7, 1], ...(cipherSuites ? { cipherSuites } : {}) };
  const prints = [a, b].map((certificate) => [fingerprint(crypto, 'sha-256', certificate.derChain[0]!)]);
  return {
    client: new DtlsConnection({ role: 'client', certificate: a, remoteFingerprints: prints[1]!, ...common }),
    server: new DtlsConnection({ role: 'server', certificate: b, remoteFingerprints: prints[0]!, ...common }),
  };
}

/** Runs a handshake; adds each side's time to its list, in µs. */
function handshake(crypto: CryptoProvider, times: { client: number[]; server: number[] }): void {
  const { client, server } = pair(crypto);
  const spent = { client: 0, server: 0 };
  const timed = (side: 'client' | 'server', action: () => void): void => {
    const before = performance.now();
    action();
    spent[side] += (performance.now() - before) * 1000;
  };
  timed('server', () => server.start(0));
  timed('client', () => client.start(0));
  for (let turn = 0; turn < 4; turn++) {
    const [from, to, name] = turn % 2 === 0 ? ([client, server, 'server'] as const) : ([server, client, 'client'] as const);
    for (let datagram = from.pollTransmit(); datagram; datagram = from.pollTransmit()) timed(name, () => to.receive(datagram!, 0));
  }
  if (client.state !== 'connected' || server.state !== 'connected') throw new Error('the handshake failed');
  times.client.push(spent.client);
  times.server.push(spent.server);
}

function benchHandshakes(): void {
  const rows = [];
  for (const [crypto, runs] of [
    [node, 1500],
    [nobleCrypto(), 60],
  ] as const) {
    for (let i = 0; i < runs / 10; i++) handshake(crypto, { client: [], server: [] });
    const times = { client: [] as number[], server: [] as number[] };
    const before = cpu();
    for (let i = 0; i < runs; i++) handshake(crypto, times);
    const both = (cpu() - before) / runs;
    rows.push([crypto.name, (median(times.client) / 1000).toFixed(2), (median(times.server) / 1000).toFixed(2), (1e6 / both).toFixed(0)]);
  }
  console.log('Handshake, ECDSA P-256 certificates, X25519, both sides in one process');
  printTable(['provider', 'client ms', 'server ms', 'complete handshakes/s, one core'], rows);
}

async function benchCertificate(): Promise<void> {
  const before = performance.now();
  await generateCertificate(node, Date.now());
  const first = performance.now() - before;
  const times: number[] = [];
  for (let i = 0; i < 100; i++) {
    const start = performance.now();
    await generateCertificate(node, Date.now());
    times.push(performance.now() - start);
  }
  console.log(`\nP-256 certificate: the first ${first.toFixed(1)} ms, then ${median(times).toFixed(2)} ms`);
}

/** Medians of slices in which ours and the bare cipher alternate, µs of CPU a record. */
function benchRecords(): void {
  const rows = [];
  for (const [suite, cipher] of [
    ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'aes-128-gcm'],
    ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'chacha20-poly1305'],
  ] as const) {
    const { client, server } = connected(suite);
    const key = createSecretKey(new Uint8Array(cipher === 'aes-128-gcm' ? 16 : 32));
    const [nonce, aad] = [new Uint8Array(12), new Uint8Array(13)];
    for (const size of [100, 1200]) {
      const data = new Uint8Array(size).fill(3);
      const times = { seal: [] as number[], open: [] as number[], rawSeal: [] as number[], rawOpen: [] as number[] };
      for (let slice = 0; slice < 200; slice++) {
        const count = 200;
        const records: Uint8Array[] = [];
        const sealed: { text: Buffer; tag: Buffer }[] = [];
        times.seal.push(
          perItem(count, () => {
            client.send(data);
            records.push(client.pollTransmit()!);
          }),
        );
        times.rawSeal.push(
          perItem(count, () => {
            const bare = createCipheriv(cipher as 'aes-128-gcm', key, nonce, { authTagLength: 16 });
            bare.setAAD(aad, { plaintextLength: size });
            const text = bare.update(data);
            bare.final();
            sealed.push({ text, tag: bare.getAuthTag() });
          }),
        );
        times.open.push(
          perItem(count, (index) => {
            server.receive(records[index]!, 0);
            server.pollEvent();
          }),
        );
        times.rawOpen.push(
          perItem(count, (index) => {
            const bare = createDecipheriv(cipher as 'aes-128-gcm', key, nonce, { authTagLength: 16 });
            bare.setAAD(aad, { plaintextLength: size }).setAuthTag(sealed[index]!.tag);
            bare.update(sealed[index]!.text);
            bare.final();
          }),
        );
      }
      const [seal, open, rawSeal, rawOpen] = [times.seal, times.open, times.rawSeal, times.rawOpen].map(median) as [
        number,
        number,
        number,
        number,
      ];
      rows.push([
        `${cipher}, ${size} B`,
        `${seal.toFixed(2)} / ${open.toFixed(2)}`,
        `${rawSeal.toFixed(2)} / ${rawOpen.toFixed(2)}`,
        `${(seal / rawSeal).toFixed(2)} / ${(open / rawOpen).toFixed(2)}`,
      ]);
    }
  }
  console.log('\nRecords, µs of CPU, seal / open');
  printTable(['', 'send + poll / receive + poll', 'the bare cipher of node:crypto', 'ratio'], rows);
}

function connected(suite: CipherSuiteName): { client: DtlsConnection; server: DtlsConnection } {
  const both = pair(node, [suite]);
  both.server.start(0);
  both.client.start(0);
  for (let turn = 0; turn < 4; turn++) {
    const [from, to] = turn % 2 === 0 ? [both.client, both.server] : [both.server, both.client];
    for (let datagram = from.pollTransmit(); datagram; datagram = from.pollTransmit()) to.receive(datagram, 0);
  }
  return both;
}

function perItem(count: number, action: (index: number) => void): number {
  const before = cpu();
  for (let index = 0; index < count; index++) action(index);
  return (cpu() - before) / count;
}

function newListener(): DtlsListener {
  return new DtlsListener({ connection: { crypto: node, certificate: certificatesOf(node)[1] }, maxConnections: 20_000 });
}

function newClient(): DtlsConnection {
  const client = new DtlsConnection({ role: 'client', crypto: node, certificate: certificatesOf(node)[0] });
  client.start(0);
  return client;
}

function heap(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function benchHalfOpen(): void {
  const listener = newListener();
  const before = heap();
  for (let i = 0; i < 10_000; i++) {
    const client = newClient();
    listener.receive(client.pollTransmit()!, String(i), 0);
    client.receive(listener.pollTransmit()!.datagram, 0);
    const server = listener.receive(client.pollTransmit()!, String(i), 0)!;
    while (server.pollTransmit() !== undefined);
  }
  const each = (heap() - before) / 10_000;
  let freed = 0;
  for (const [address, server] of listener.connections) {
    freed = Math.max(freed, 60_000);
    server.handleTimeout(60_000);
    if (server.state === 'failed') listener.remove(address);
  }
  const left = (heap() - before) / 10_000;
  console.log(
    `\n10,000 half-open handshakes behind a cookie: ${each.toFixed(0)} bytes each, freed after ${freed / 1000} s (then ${left.toFixed(0)} bytes, ${listener.connections.size} connections)`,
  );
}

function benchFlood(): void {
  const listener = newListener();
  const hello = newClient().pollTransmit()!;
  let [bytesIn, bytesOut] = [0, 0];
  const before = heap();
  const start = cpu();
  const count = 200_000;
  for (let i = 0; i < count; i++) {
    listener.receive(hello, `198.51.100.1:${i}`, i / 20);
    bytesIn += hello.length;
    bytesOut += listener.pollTransmit()?.datagram.length ?? 0;
  }
  const each = (cpu() - start) / count;
  const growth = (heap() - before) / 1024;
  console.log(
    `ClientHello of an unproved address: ${each.toFixed(1)} µs, so 20,000/s take ${((20_000 * each) / 1e4).toFixed(0)} % of a core; ` +
      `bytes out / in ${(bytesOut / bytesIn).toFixed(2)}; heap ${growth.toFixed(0)} KiB more after ${count}; ${listener.connections.size} connections`,
  );
}

benchHandshakes();
await benchCertificate();
benchRecords();
benchHalfOpen();
benchFlood();
