import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import { RTCDataChannel, RTCIceCandidate, RTCPeerConnectionIceEvent } from '../src/index.ts';
import { PeerPair } from './peer-pair.ts';

const LINE = 'candidate:1 1 udp 1 192.0.2.1 1 typ host';

test('console.log shows the attributes that matter', async () => {
  const pair = new PeerPair({ trickle: false });
  const channel = pair.a.createDataChannel('chat');
  expect(inspect(pair.a)).toContain("RTCPeerConnection {\n  signalingState: 'stable'");
  expect(inspect(channel)).toMatch(/^RTCDataChannel \{\s+label: 'chat',[^]*readyState: 'connecting',\s+bufferedAmount: 0\s+\}$/);
  const candidate = new RTCIceCandidate({ candidate: LINE, sdpMid: '0' });
  expect(inspect(new RTCPeerConnectionIceEvent('icecandidate', { candidate }))).toContain(`candidate: '${LINE}'`);
  expect(inspect(await pair.run(pair.a.getStats()))).toMatch(/^RTCStatsReport Map\(\d+\) \{\s+'P' => \{/);
});

test('it stays short inside other objects, has no effect, and copes with what only looks like it', () => {
  const { a } = new PeerPair({ trickle: false });
  const transceiver = a.addTransceiver('audio');
  expect(inspect({ room: { peer: { transceiver } } })).toContain('[RTCRtpTransceiver]');
  expect(inspect(transceiver, { depth: 0 })).toContain('sender: [RTCRtpSender]');
  expect(inspect(transceiver, { depth: null })).toContain("kind: 'audio'");
  expect(inspect(Object.create(RTCDataChannel.prototype))).toBe('RTCDataChannel {}');
  expect(a.openHandles()).toEqual([]);
});
