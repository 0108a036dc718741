import { describe, expect, test } from '@jest/globals';
import { deriveConnectionState, deriveGatheringState, deriveIceConnectionState, type TransportState } from '../src/connection-state.ts';

function transport(
  ice: TransportState['ice'],
  dtls: TransportState['dtls'] = 'new',
  gathering: TransportState['gathering'] = 'new',
): TransportState {
  return { ice, dtls, gathering };
}

describe('W3C WebRTC §4.3: states derived from transports', () => {
  test.each([
    [[], 'new'],
    [['new', 'complete'], 'new'],
    [['gathering', 'complete'], 'gathering'],
    [['complete', 'complete'], 'complete'],
  ] as const)('§4.3.2: gathering states %j are %s', (states, expected) => {
    expect(deriveGatheringState(states.map((gathering) => transport('new', 'new', gathering)))).toBe(expected);
  });

  test.each([
    [[], 'new'],
    [['new', 'closed'], 'new'],
    [['new', 'connected'], 'checking'],
    [['checking', 'completed'], 'checking'],
    [['completed', 'closed'], 'completed'],
    [['connected', 'completed'], 'connected'],
    [['disconnected', 'checking'], 'disconnected'],
    [['failed', 'disconnected'], 'failed'],
  ] as const)('§4.3.4: ICE states %j are %s', (states, expected) => {
    expect(deriveIceConnectionState(states.map((state) => transport(state)))).toBe(expected);
  });

  test.each([
    ['new', ['new'], 'new'],
    ['new', ['new', 'closed'], 'new'],
    ['checking', ['new'], 'connecting'],
    ['connected', ['connecting'], 'connecting'],
    ['connected', ['connected', 'closed'], 'connected'],
    ['completed', ['connected'], 'connected'],
    ['disconnected', ['connected'], 'disconnected'],
    ['connected', ['failed', 'connected'], 'failed'],
    ['failed', ['connected'], 'failed'],
  ] as const)('§4.3.3: ICE %s with DTLS %j is %s', (ice, states, expected) => {
    expect(
      deriveConnectionState(
        ice,
        states.map((dtls) => transport('new', dtls)),
      ),
    ).toBe(expected);
  });
});
