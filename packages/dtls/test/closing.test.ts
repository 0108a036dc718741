import { describe, expect, test } from '@jest/globals';
import { toHex } from '@petrel/bytes';
import { connect, drain, eventsOf, pair, utf8 } from './support/pair.ts';

describe('RFC 5246 §7.2.1: close_notify', () => {
  test('is answered exactly once, by the connection itself; what comes after is ignored', () => {
    const { client, server, link } = connect();
    client.close();
    link.run(1000);
    expect([client.state, server.state]).toEqual(['closed', 'closed']);
    expect([link.eventsOfA.slice(1), link.eventsOfB.slice(1)]).toEqual([[{ type: 'closed' }], [{ type: 'closed' }]]);
    expect([client.closedByPeer, server.closedByPeer]).toEqual([true, true]);
    expect([client.closingAlert, server.closingAlert]).toEqual(['close_notify', 'close_notify']);
    const alerts = link.wire.filter(({ datagram }) => datagram[0] === 21).map(({ from }) => from);
    expect(alerts).toEqual(['a', 'b']);
    client.sendAfterClose(utf8('late'));
    link.run(100);
    expect(server.discards.of('data-after-close')).toBe(1);
    expect(link.eventsOfB).toHaveLength(2);
  });

  test('further ones are counted, and answered when the application says so', () => {
    const { client, server } = connect();
    client.close();
    client.close();
    client.close();
    const notifies = drain(client);
    server.receive(notifies[0]!, 1000);
    expect([server.closeNotifiesReceived, drain(server).length]).toEqual([1, 1]);
    server.close(); // the answer has been sent
    expect(drain(server)).toEqual([]);
    for (const notify of notifies.slice(1)) server.receive(notify, 1000);
    expect([server.closeNotifiesReceived, drain(server).length]).toEqual([3, 0]);
    server.close();
    expect(drain(server)).toHaveLength(1);
    // A replay is not one more.
    server.receive(notifies[2]!, 1000);
    expect(server.closeNotifiesReceived).toBe(3);
  });

  test('both sides at once: each is the answer to the other', () => {
    const { client, server, link } = connect();
    client.close();
    server.close();
    link.run(1000);
    expect(link.wire.filter(({ datagram }) => datagram[0] === 21)).toHaveLength(2);
    expect([client.closedByPeer, server.closedByPeer]).toEqual([true, true]);
    expect(link.eventsOfA.slice(1)).toEqual([{ type: 'closed' }]);
  });

  test('after close the answer of the peer is still noticed, and data is not delivered', () => {
    const { client, server, link } = connect();
    server.send(utf8('crossing'));
    client.close();
    link.run(100);
    expect(client.closedByPeer).toBe(true);
    expect(link.eventsOfA.slice(1)).toEqual([{ type: 'closed' }]);
    expect(client.discards.of('data-after-close')).toBe(1);
  });

  test('closing again makes new records, with new numbers', () => {
    const { client } = connect();
    client.close();
    client.close();
    const [first, second] = drain(client);
    expect(second!.subarray(5, 11)).not.toEqual(first!.subarray(5, 11));
  });

  test('before start there is nothing to say', () => {
    const { client } = pair();
    client.close();
    client.start(0);
    expect([client.state, drain(client), eventsOf(client), client.nextTimeout()]).toEqual(['closed', [], [], Infinity]);
  });
});

describe('during the handshake', () => {
  test('RFC 5246 §7.2.2: closing sends user_canceled and close_notify in the clear', () => {
    const { client, server, link } = pair({ link: { delay: 10 } });
    server.start(0);
    client.start(0);
    link.run(5);
    client.close();
    link.run(100);
    expect(link.wire.slice(1, 3).map(({ datagram }) => toHex(datagram.subarray(13)))).toEqual(['015a', '0100']);
    expect(server.state).toBe('closed');
    expect([client.nextTimeout(), server.nextTimeout()]).toEqual([Infinity, Infinity]);
  });

  test('a client that has sent its Finished closes under its new keys, as the epoch in force is 1', () => {
    const { client, server } = pair();
    server.start(0);
    client.start(0);
    server.receive(drain(client)[0]!, 0);
    for (const datagram of drain(server)) client.receive(datagram, 0);
    drain(client);
    client.close();
    expect(drain(client).map((datagram) => datagram[4])).toEqual([1, 1]);
  });

  test('a fatal alert in the clear fails at once: a peer that cannot go on has no other way to say so', () => {
    const { client, server, link } = pair({ client: { groups: ['x25519'] }, server: { groups: ['p-384'] } });
    server.start(0);
    client.start(0);
    link.run(5000);
    expect(link.eventsOfA).toEqual([{ type: 'failed', failure: { reason: 'remote-alert', alert: 'handshake_failure' } }]);
    expect(link.eventsOfB).toEqual([{ type: 'failed', failure: { reason: 'no-common-group', alert: 'handshake_failure' } }]);
  });
});

describe('fatal alerts', () => {
  test('fail the peer', () => {
    const { client, link } = connect();
    client.abort('internal_error');
    link.run(100);
    expect(link.eventsOfB[1]).toEqual({ type: 'failed', failure: { reason: 'remote-alert', alert: 'internal_error' } });
    expect(client.state).toBe('closed');
  });

  test('W05: closed is final; there one is as good an answer as a close_notify', () => {
    const { client, server, link } = connect();
    server.abort('internal_error');
    client.close();
    link.run(100);
    expect([client.state, client.closedByPeer, client.closingAlert, server.state]).toEqual(['closed', true, 'internal_error', 'closed']);
    expect(link.eventsOfA.slice(1)).toEqual([{ type: 'closed' }]);
  });

  test('failed is final', () => {
    const { client, server, link } = connect({ client: { remoteFingerprints: [] } });
    expect([client.state, server.state]).toEqual(['failed', 'failed']);
    for (const side of [client, server]) {
      side.close();
      side.abort('internal_error');
      side.start(0);
      side.setRemoteFingerprints([]);
      expect([side.state, side.send(utf8('x')), side.nextTimeout()]).toEqual(['failed', false, Infinity]);
    }
    expect(link.eventsOfA).toHaveLength(1);
  });
});
