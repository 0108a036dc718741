import { describe, expect, test } from '@jest/globals';
import { fromHex, toHex } from '@petrel/bytes';
import { nobleCrypto } from '@petrel/crypto/noble';
import { CIPHER_SUITES } from '@petrel/dtls';
import { Discards } from '@petrel/sans-io';
import { Transcript } from '../src/handshake.ts';
import { HANDSHAKE_TYPE } from '../src/handshake-messages.ts';
import { KeySchedule } from '../src/key-schedule.ts';
import { type HandshakeMessage, Reassembler } from '../src/reassembler.ts';
import { CONTENT_TYPE, type RecordDiscard, RecordLayer } from '../src/record-layer.ts';
import { node } from './support/pair.ts';
import file from './vectors/openssl-dtls12-capture.json' with { type: 'json' };

const suite = CIPHER_SUITES[0]!;

describe.each([node, nobleCrypto()])('with the $name provider', (crypto) => {
  test.each(file.captures)('D01: a handshake between OpenSSL and itself ($id) is reproduced to the byte', (capture) => {
    const transcript = new Transcript();
    const discards = new Discards<RecordDiscard>();
    // What the client sent is read with the server's eyes, and the other way round.
    const readers = { client: new RecordLayer(discards), server: new RecordLayer(discards) };
    const reassemblers = { client: new Reassembler(), server: new Reassembler() };
    const clientRandom = fromHex(capture.clientRandom);
    const finished: string[] = [];
    const data: string[] = [];
    let keys: KeySchedule | undefined;

    const understand = (from: 'client' | 'server', message: HandshakeMessage): void => {
      if (message.type === HANDSHAKE_TYPE.helloVerifyRequest) return transcript.clear();
      if (message.type === HANDSHAKE_TYPE.finished) {
        const hash = crypto.hash(suite.hash, transcript.bytes());
        expect(toHex(keys!.verifyData(from, hash))).toBe(toHex(message.body));
        finished.push(from);
      }
      transcript.addReceived(message);
      if (message.type !== HANDSHAKE_TYPE.serverHello) return;
      const serverRandom = message.body.slice(2, 34);
      keys = new KeySchedule(crypto, { suite, clientRandom, serverRandom, masterSecret: fromHex(capture.masterSecret) });
      const { client, server } = keys.recordKeys();
      readers.client.setKeys(server, client);
      readers.server.setKeys(client, server);
    };

    for (const { from, hex } of capture.datagrams as { from: 'client' | 'server'; hex: string }[]) {
      const datagram = fromHex(hex);
      for (let offset = 0; offset < datagram.length; ) {
        offset = readers[from].open(datagram, offset, ({ type, epoch, fragment }) => {
          if (type === CONTENT_TYPE.applicationData) data.push(new TextDecoder().decode(fragment).trim());
          if (type === CONTENT_TYPE.handshake) expect(reassemblers[from].add(fragment, epoch)).toBe('accepted');
        });
        for (let message = reassemblers[from].next(); message; message = reassemblers[from].next()) understand(from, message);
      }
    }
    expect(finished).toEqual(['client', 'server']);
    expect(data.every((text) => text.length > 0) && data.length > 0).toBe(true);
    expect(discards.total).toBe(0);
    expect(toHex(keys!.export(capture.exporter.label, capture.exporter.length))).toBe(capture.exporter.client);
    expect(keys!.keyLogLine()).toBe(`CLIENT_RANDOM ${capture.clientRandom} ${capture.masterSecret}`);
  });
});
