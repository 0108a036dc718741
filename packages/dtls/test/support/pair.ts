import { type CryptoProvider, fingerprint } from '@petrel/crypto';
import { nodeCrypto } from '@petrel/crypto/node';
import { DtlsConnection, type DtlsEvent, type DtlsOptions } from '@petrel/dtls';
import { CoreLink, type LinkOptions, testCertificate } from '@petrel/testing';

export const node: CryptoProvider = nodeCrypto();
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

export interface PairOptions {
  readonly client?: Partial<DtlsOptions>;
  readonly server?: Partial<DtlsOptions>;
  readonly link?: LinkOptions;
  readonly crypto?: CryptoProvider;
}

export interface Pair {
  readonly client: DtlsConnection;
  readonly server: DtlsConnection;
  readonly link: CoreLink<DtlsEvent>;
}

/** A client (a) and a server (b) that expect each other's certificates, on a link. */
export function pair({ client = {}, server = {}, link = {}, crypto = node }: PairOptions = {}): Pair {
  const own = [client.certificate ?? testCertificate(crypto, 0), server.certificate ?? testCertificate(crypto, 1)] as const;
  const [ofClient, ofServer] = own.map((certificate) => [fingerprint(crypto, 'sha-256', certificate.derChain[0]!)]);
  const srtpProfiles = [7, 1];
  const c = new DtlsConnection({ role: 'client', crypto, certificate: own[0], remoteFingerprints: ofServer!, srtpProfiles, ...client });
  const s = new DtlsConnection({ role: 'server', crypto, certificate: own[1], remoteFingerprints: ofClient!, srtpProfiles, ...server });
  return { client: c, server: s, link: new CoreLink<DtlsEvent>(c, s, link) };
}

/** The same, after the handshake, however it went. */
export function connect(options: PairOptions = {}): Pair {
  const both = pair(options);
  both.server.start(0);
  both.client.start(0);
  both.link.runUntil(() => both.client.state !== 'connecting' && both.server.state !== 'connecting', 100_000);
  return both;
}

export interface RecordView {
  readonly type: number;
  readonly epoch: number;
  readonly at: number;
  readonly length: number;
}

/** The records of a datagram, by their headers. */
export function records(datagram: Uint8Array): RecordView[] {
  const list: RecordView[] = [];
  for (let at = 0; at < datagram.length; ) {
    const length = 13 + ((datagram[at + 11]! << 8) | datagram[at + 12]!);
    list.push({ type: datagram[at]!, epoch: (datagram[at + 3]! << 8) | datagram[at + 4]!, at, length });
    at += length;
  }
  return list;
}

/** A record in the clear, as anyone can make one. */
export function clearRecord(type: number, ...body: readonly number[]): Uint8Array {
  return Uint8Array.of(type, 0xfe, 0xfd, 0, 0, 0, 0, 0, 9, 9, 9, body.length >> 8, body.length, ...body);
}

/** Everything that waits to be sent. */
export function drain(connection: DtlsConnection): Uint8Array[] {
  const datagrams: Uint8Array[] = [];
  for (let datagram = connection.pollTransmit(); datagram; datagram = connection.pollTransmit()) datagrams.push(datagram);
  return datagrams;
}

export function eventsOf(connection: DtlsConnection): DtlsEvent[] {
  const events: DtlsEvent[] = [];
  for (let event = connection.pollEvent(); event; event = connection.pollEvent()) events.push(event);
  return events;
}
