import { describe, expect, test } from '@jest/globals';
import { connectedPair, newPair, runUntilConnected, startHosts } from './support/network.ts';

describe('RFC 8445: two agents on one network', () => {
  test('connect, select the same pair, and carry payload both ways', () => {
    const pair = newPair();
    startHosts(pair.a, pair.b);
    expect(runUntilConnected(pair)).toBe(true);
    pair.network.clock.advanceBy(2_000);
    const { a, b } = pair;
    expect([a.states, b.states]).toEqual([
      ['checking', 'connected', 'completed'],
      ['checking', 'connected', 'completed'],
    ]);
    expect(a.agent.selectedPair?.remote.port).toBe(5002);
    expect(b.agent.selectedPair?.remote.port).toBe(5001);
    a.send('up');
    b.send('down');
    pair.network.clock.advanceBy(100);
    expect([a.texts(), b.texts()]).toEqual([['down'], ['up']]);
  });

  test('stay connected for an hour', () => {
    const { network, a, b } = connectedPair();
    network.clock.advanceBy(3_600_000);
    expect([a.state, b.state]).toEqual(['completed', 'completed']);
  });
});
