import { describe, expect, test } from '@jest/globals';
import { ICE_UFRAG, parseSessionDescription, read } from '@petrel/sdp';
import { type RTCPeerConnection, type RTCPeerConnectionIceEvent, RtpSource } from '../src/index.ts';
import { PeerPair } from './peer-pair.ts';

function fragment(connection: RTCPeerConnection): string | undefined {
  return read(parseSessionDescription(connection.localDescription!.sdp).media[0]!, ICE_UFRAG);
}

function needed({ events }: PeerPair): string[] {
  return events.filter((event) => event.endsWith('negotiationneeded'));
}

/** b has the offer of a, and no candidates. */
async function withRemote(): Promise<PeerPair> {
  const pair = new PeerPair({ trickle: false });
  pair.a.addTransceiver('audio');
  await pair.run(pair.a.setLocalDescription());
  await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
  return pair;
}

function settled(connection: RTCPeerConnection): boolean {
  const transceivers = connection.getTransceivers();
  return transceivers.length === 10 && transceivers.every(({ currentDirection }) => currentDirection !== null);
}

/** The pattern of W3C WebRTC §10.7 for both sides, over a signalling channel that takes 5 ms. */
function negotiatePerfectly(pair: PeerPair, politeSide: 'a' | 'b'): void {
  for (const [name, own, peer] of [
    ['a', pair.a, pair.b],
    ['b', pair.b, pair.a],
  ] as const) {
    let makingOffer = false;
    let ignoreOffer = false;
    let settingAnswer = false;
    const send = (message: { description?: RTCPeerConnection['localDescription']; candidate?: unknown }): void => {
      const text = JSON.stringify(message);
      pair.network.clock.schedule(pair.network.now() + 5, () => peer.dispatchEvent(new MessageEvent('signal', { data: text })));
    };
    own.onicecandidate = ({ candidate }: RTCPeerConnectionIceEvent) => send({ candidate });
    own.onnegotiationneeded = async () => {
      makingOffer = true;
      await own.setLocalDescription();
      send({ description: own.localDescription });
      makingOffer = false;
    };
    own.addEventListener('signal', async (event) => {
      const { description, candidate } = JSON.parse((event as MessageEvent<string>).data);
      if (description === undefined) {
        await own.addIceCandidate(candidate).catch((error: unknown) => {
          if (!ignoreOffer) throw error;
        });
        return;
      }
      const ready = !makingOffer && (own.signalingState === 'stable' || settingAnswer);
      ignoreOffer = description.type === 'offer' && name !== politeSide && !ready;
      if (ignoreOffer) return;
      settingAnswer = description.type === 'answer';
      await own.setRemoteDescription(description);
      settingAnswer = false;
      if (description.type !== 'offer') return;
      await own.setLocalDescription();
      send({ description: own.localDescription });
    });
  }
}

describe('W3C WebRTC §4.4.2: descriptions', () => {
  test('the states and descriptions of an offer and its answer', async () => {
    const { a, b, ...rest } = new PeerPair();
    const pair = Object.assign(Object.create(PeerPair.prototype), { a, b, ...rest }) as PeerPair;
    a.createDataChannel('x');
    expect([a.localDescription, a.canTrickleIceCandidates]).toEqual([null, null]);
    await pair.run(a.setLocalDescription());
    expect([a.signalingState, a.pendingLocalDescription?.type, a.currentLocalDescription]).toEqual(['have-local-offer', 'offer', null]);
    await pair.run(b.setRemoteDescription(a.localDescription!));
    expect([b.signalingState, b.pendingRemoteDescription?.type, b.canTrickleIceCandidates]).toEqual(['have-remote-offer', 'offer', true]);
    await pair.run(b.setLocalDescription());
    expect([b.signalingState, b.currentLocalDescription?.type, b.pendingRemoteDescription]).toEqual(['stable', 'answer', null]);
    await pair.run(a.setRemoteDescription(b.localDescription!));
    expect([a.signalingState, a.currentRemoteDescription?.type, a.pendingLocalDescription]).toEqual(['stable', 'answer', null]);
    expect(a.localDescription).toBe(a.currentLocalDescription);
  });

  test.each([
    ['setLocalDescription', 'answer'],
    ['setLocalDescription', 'rollback'],
    ['setRemoteDescription', 'answer'],
    ['setRemoteDescription', 'pranswer'],
    ['setRemoteDescription', 'rollback'],
  ] as const)('%s(%s) in the stable state is an InvalidStateError', async (method, type) => {
    const pair = new PeerPair();
    await expect(pair.run(pair.a[method]({ type, sdp: '' }))).rejects.toMatchObject({ name: 'InvalidStateError' });
  });

  test('an offer that was changed is an InvalidModificationError', async () => {
    const pair = new PeerPair();
    pair.a.addTransceiver('audio');
    const { sdp } = await pair.run(pair.a.createOffer());
    await expect(pair.run(pair.a.setLocalDescription({ type: 'offer', sdp: `${sdp}a=x\r\n` }))).rejects.toMatchObject({
      name: 'InvalidModificationError',
    });
  });

  test('rollback of a local offer: mids and transports are gone, and negotiation is needed again', async () => {
    const pair = new PeerPair();
    const transceiver = pair.a.addTransceiver('audio');
    await pair.run(pair.a.setLocalDescription());
    expect([transceiver.mid, transceiver.sender.transport]).not.toContain(null);
    pair.events.length = 0;
    await pair.run(pair.a.setLocalDescription({ type: 'rollback' }));
    expect([transceiver.mid, transceiver.sender.transport, pair.a.signalingState]).toEqual([null, null, 'stable']);
    await pair.until(() => false, 10);
    expect(pair.events).toContain('a negotiationneeded');
  });

  test('rollback of a remote offer: its transceivers are gone, unless a track was added', async () => {
    const pair = new PeerPair();
    pair.a.addTransceiver('audio');
    pair.a.addTransceiver('video');
    await pair.run(pair.a.setLocalDescription());
    await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
    const [audio] = pair.b.getTransceivers();
    pair.b.addTrack(new RtpSource('video').track);
    await pair.run(pair.b.setRemoteDescription({ type: 'rollback' }));
    expect(pair.b.getTransceivers().map(({ mid, receiver }) => `${mid} ${receiver.track.kind}`)).toEqual(['null video']);
    expect([audio!.currentDirection, audio!.mid]).toEqual(['stopped', null]);
    await pair.negotiate(pair.b);
    expect(pair.b.getTransceivers()[0]!.mid).not.toBeNull();
  });

  test('an offer in the middle of our own rolls it back', async () => {
    const pair = new PeerPair();
    pair.a.createDataChannel('a');
    pair.b.createDataChannel('b');
    await pair.run(pair.a.setLocalDescription());
    await pair.run(pair.b.setLocalDescription());
    pair.events.length = 0;
    await pair.run(pair.a.setRemoteDescription(pair.b.localDescription!));
    expect(pair.a.signalingState).toBe('have-remote-offer');
    expect(pair.events.filter((event) => event === 'a signalingstatechange')).toHaveLength(2);
    await pair.run(pair.a.setLocalDescription());
    await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
    expect(await pair.until(() => pair.a.connectionState === 'connected' && pair.b.connectionState === 'connected')).toBe(true);
  });

  test.each(['a', 'b'] as const)('§10.7: both offer at once, %s is polite, and all is negotiated', async (polite) => {
    const pair = new PeerPair({ trickle: false });
    negotiatePerfectly(pair, polite);
    for (let count = 0; count < 5; count++) {
      pair.a.addTransceiver('audio');
      pair.b.addTransceiver('video');
      await pair.until(() => false, count * 4);
    }
    expect(await pair.until(() => settled(pair.a) && settled(pair.b))).toBe(true);
    expect(await pair.until(() => pair.a.connectionState === 'connected' && pair.b.connectionState === 'connected')).toBe(true);
  });
});

describe('W3C WebRTC §4.7: negotiation needed', () => {
  test.each([
    ['a transceiver', (pc: RTCPeerConnection) => void pc.addTransceiver('audio')],
    ['a track', (pc: RTCPeerConnection) => void pc.addTrack(new RtpSource('audio').track)],
    ['a channel', (pc: RTCPeerConnection) => void pc.createDataChannel('x')],
  ])('%s needs it, once for several in one task', async (_name, change) => {
    const pair = new PeerPair();
    change(pair.a);
    change(pair.a);
    expect(pair.events).toEqual([]);
    await pair.until(() => false, 10);
    expect(pair.events).toEqual(['a negotiationneeded']);
  });

  test.each([
    ['a direction', (pc: RTCPeerConnection) => void (pc.getTransceivers()[0]!.direction = 'inactive')],
    ['a stop', (pc: RTCPeerConnection) => pc.getTransceivers()[0]!.stop()],
    ['a restart', (pc: RTCPeerConnection) => pc.restartIce()],
    ['a track that is removed', (pc: RTCPeerConnection) => pc.removeTrack(pc.getSenders()[0]!)],
    ['the first channel', (pc: RTCPeerConnection) => void pc.createDataChannel('x')],
  ])('%s needs it after negotiation, and negotiation settles it', async (_name, change) => {
    const pair = new PeerPair();
    pair.a.addTrack(new RtpSource('audio').track);
    await pair.connect();
    pair.events.length = 0;
    change(pair.a);
    await pair.until(() => false, 10);
    expect(needed(pair)).toEqual(['a negotiationneeded']);
    await pair.negotiate();
    pair.events.length = 0;
    await pair.until(() => false, 10);
    expect(needed(pair)).toEqual([]);
  });

  test('a second channel does not need it', async () => {
    const pair = new PeerPair();
    pair.a.createDataChannel('x');
    await pair.connect();
    pair.events.length = 0;
    pair.a.createDataChannel('y');
    await pair.until(() => false, 10);
    expect(needed(pair)).toEqual([]);
  });
});

describe('W3C WebRTC §4.4.2: addIceCandidate', () => {
  const candidate = 'candidate:1 1 udp 2130706431 192.0.2.9 9 typ host';

  test('before there is a remote description it is an InvalidStateError', async () => {
    const pair = new PeerPair();
    await expect(pair.run(pair.a.addIceCandidate({ candidate, sdpMid: '0' }))).rejects.toMatchObject({ name: 'InvalidStateError' });
  });

  test.each([
    ['no section', { candidate }, 'TypeError'],
    ['an unknown mid', { candidate, sdpMid: '7' }, 'OperationError'],
    ['an index too large', { candidate, sdpMLineIndex: 1 }, 'OperationError'],
    ['an unknown generation', { candidate, sdpMid: '0', usernameFragment: 'none' }, 'OperationError'],
    ['no candidate in it', { candidate: 'candidate:nonsense', sdpMid: '0' }, 'OperationError'],
  ])('%s is a %j', async (_name, init, name) => {
    const pair = await withRemote();
    await expect(pair.run(pair.b.addIceCandidate(init))).rejects.toMatchObject({ name });
  });

  test('I05: 256 of a section are taken and shown, whatever comes', async () => {
    const pair = await withRemote();
    for (let port = 1; port <= 300; port++)
      await pair.run(pair.b.addIceCandidate({ candidate: candidate.replace(' 9 ', ` ${port} `), sdpMid: '0' }));
    expect(pair.b.remoteDescription!.sdp.match(/a=candidate:/g)).toHaveLength(256);
    await pair.run(pair.b.setLocalDescription());
    for (let port = 301; port <= 350; port++)
      await pair.run(pair.b.addIceCandidate({ candidate: candidate.replace(' 9 ', ` ${port} `), sdpMid: '0' }));
    expect(pair.b.getReceivers()[0]!.transport!.iceTransport.getRemoteCandidates()).toHaveLength(256);
  });

  test.each(['all', 'relay'] as const)('I16: with the policy %j a name is looked up, or not', async (iceTransportPolicy) => {
    const pair = new PeerPair({ trickle: false, b: { iceTransportPolicy } });
    const asked: string[] = [];
    pair.network.host('b').runtime.resolve = (name) => {
      asked.push(name);
      return Promise.resolve([]);
    };
    pair.a.addTransceiver('audio');
    await pair.run(pair.a.setLocalDescription());
    await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
    await pair.run(pair.b.setLocalDescription());
    await pair.run(pair.b.addIceCandidate({ candidate: candidate.replace('192.0.2.9', 'some.local'), sdpMid: '0' }));
    expect(asked).toEqual(iceTransportPolicy === 'all' ? ['some.local'] : []);
  });

  test('it becomes part of the remote description, and so does the end', async () => {
    const pair = await withRemote();
    await pair.run(pair.b.addIceCandidate({ candidate, sdpMLineIndex: 0 }));
    await pair.run(pair.b.addIceCandidate());
    expect(pair.b.remoteDescription!.sdp).toContain(`a=${candidate}\r\n`);
    expect(pair.b.remoteDescription!.sdp).toContain('a=end-of-candidates\r\n');
  });

  test('without trickling: the descriptions carry the candidates', async () => {
    const pair = new PeerPair({ trickle: false });
    pair.a.createDataChannel('x');
    await pair.run(pair.a.setLocalDescription());
    await pair.run(pair.a.iceGatheringComplete);
    expect(pair.a.localDescription!.sdp).toMatch(/a=candidate:.* 192\.0\.2\.1 .*\r\n(.*\r\n)*a=end-of-candidates/);
    await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
    await pair.run(pair.b.setLocalDescription());
    await pair.run(pair.b.iceGatheringComplete);
    await pair.run(pair.a.setRemoteDescription(pair.b.localDescription!));
    expect(await pair.until(() => pair.a.connectionState === 'connected' && pair.b.connectionState === 'connected')).toBe(true);
  });
});

describe('RFC 8829 §4.1.18: ICE restart', () => {
  test.each(['restartIce', 'iceRestart'] as const)('%s: new credentials on both sides, data goes on', async (how) => {
    const pair = new PeerPair();
    const channel = pair.a.createDataChannel('x');
    let received = 0;
    pair.b.ondatachannel = ({ channel: other }) => {
      other.onmessage = () => {
        received++;
      };
    };
    await pair.connect();
    await pair.until(() => channel.readyState === 'open');
    const before = [fragment(pair.a), fragment(pair.b)];
    if (how === 'restartIce') {
      pair.a.restartIce();
      await pair.negotiate();
    } else {
      const offer = await pair.run(pair.a.createOffer({ iceRestart: true }));
      await pair.run(pair.a.setLocalDescription(offer));
      await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
      await pair.run(pair.b.setLocalDescription());
      await pair.run(pair.a.setRemoteDescription(pair.b.localDescription!));
    }
    expect([fragment(pair.a), fragment(pair.b)]).not.toEqual(before);
    expect(fragment(pair.b)).not.toBe(before[1]);
    await pair.until(() => false, 2000);
    channel.send('still there');
    await pair.until(() => received > 0, 2000);
    expect([received, pair.a.connectionState, pair.b.connectionState]).toEqual([1, 'connected', 'connected']);
  });

  test('iceGatheringComplete is another promise then, for descriptions with all candidates; the data moves to the new credentials', async () => {
    const pair = new PeerPair({ trickle: false });
    pair.a.createDataChannel('x');
    const gathered: Promise<void>[] = [];
    const negotiate = async (): Promise<void> => {
      await pair.a.setLocalDescription();
      gathered.push(pair.a.iceGatheringComplete);
      await pair.a.iceGatheringComplete;
      await pair.b.setRemoteDescription(pair.a.localDescription!);
      await pair.b.setLocalDescription();
      await pair.b.iceGatheringComplete;
      await pair.a.setRemoteDescription(pair.b.localDescription!);
    };
    for (let count = 0; count < 3; count++) {
      if (count > 0) pair.a.restartIce();
      await pair.run(negotiate());
      for (const { localDescription } of [pair.a, pair.b]) expect(localDescription!.sdp).toMatch(/^a=candidate:[^]*^a=end-of-candidates/m);
      await pair.until(() => pair.a.connectionState === 'connected');
      await pair.network.run(1000);
      const selected = pair.a.sctp!.transport.iceTransport.getSelectedCandidatePair()!;
      expect([selected.local.usernameFragment, selected.remote.usernameFragment]).toEqual([fragment(pair.a), fragment(pair.b)]);
    }
    expect(new Set(gathered).size).toBe(3);
    expect(pair.a.iceGatheringComplete).toBe(gathered[2]);
  });

  test('a restart in the middle of gathering: iceGatheringComplete waits for it', async () => {
    const pair = new PeerPair({ trickle: false });
    pair.a.createDataChannel('x');
    await pair.run(pair.a.setLocalDescription());
    const first = pair.a.iceGatheringComplete;
    pair.a.restartIce();
    await pair.run(pair.a.setLocalDescription());
    await pair.run(first);
    await pair.run(pair.a.iceGatheringComplete);
    expect(pair.a.localDescription!.sdp).toContain(`ufrag ${fragment(pair.a)}`);
    expect(pair.a.iceGatheringState).toBe('complete');
  });

  test('an offer without restart keeps the credentials', async () => {
    const pair = new PeerPair();
    pair.a.createDataChannel('x');
    await pair.connect();
    const before = fragment(pair.a);
    await pair.negotiate();
    expect(fragment(pair.a)).toBe(before);
  });
});

/** Answers an offer to receive video with a track that contains the type. @returns the payload type that goes out, if any does */
async function payloadTypeFor(mimeType: string, section: string): Promise<unknown> {
  const pair = new PeerPair();
  const sender = pair.b.addTrack(new RtpSource('video', { mimeType }).track);
  pair.a.addTransceiver('video', { direction: 'recvonly' });
  await pair.run(pair.a.setLocalDescription());
  const transport = pair.a.localDescription!.sdp.match(/a=(ice-ufrag|ice-pwd|fingerprint|setup|mid|rtcp-mux).*\r\n/g)!.join('');
  const sdp = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n${section}${transport}`;
  await pair.run(pair.b.setRemoteDescription({ type: 'offer', sdp }));
  await pair.run(pair.b.setLocalDescription());
  const stats = [...(await pair.run(sender.getStats())).values()];
  const isActive = stats.find(({ type }) => type === 'outbound-rtp')?.['active'];
  return isActive === true ? stats.find(({ type }) => type === 'codec')?.['payloadType'] : undefined;
}

describe('W3C WebRTC §5.2.6: which codec is sent', () => {
  const section =
    'm=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 H264/90000\r\n' +
    'a=fmtp:97 packetization-mode=0;profile-level-id=42e01f\r\na=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1;profile-level-id=42e01f\r\na=rtpmap:99 VP9/90000\r\n';

  test.each([
    ['video/VP8', 96],
    ['video/VP9', 99],
    ['video/H264', 98],
    ['video/AV1', undefined],
  ])('packets of %s go out as payload type %s', async (mimeType, payloadType) => {
    expect(await payloadTypeFor(mimeType, section)).toBe(payloadType);
  });

  test('replaceTrack refuses what was not negotiated', async () => {
    const pair = new PeerPair();
    const transceiver = pair.a.addTransceiver(new RtpSource('video', { mimeType: 'video/VP8' }).track);
    await pair.connect();
    const { sender } = transceiver;
    await pair.run(sender.replaceTrack(new RtpSource('video', { mimeType: 'video/VP9' }).track));
    await expect(pair.run(sender.replaceTrack(new RtpSource('video', { mimeType: 'video/H263-2000' }).track))).rejects.toMatchObject({
      name: 'InvalidModificationError',
    });
    await expect(pair.run(sender.replaceTrack(new RtpSource('audio').track))).rejects.toThrow(TypeError);
  });
});

test('N10, RFC 8829 §5.3.1: who would send and may not says with which streams, and both sides come to rest', async () => {
  const pair = new PeerPair();
  const [one] = [pair.a.addTransceiver(new RtpSource('video').track, { direction: 'sendonly' })];
  await pair.connect();
  const [two] = pair.b.getTransceivers();
  two!.direction = 'sendonly';
  pair.events.length = 0;
  await pair.negotiate(pair.b);
  expect([one!.currentDirection, two!.currentDirection]).toEqual(['inactive', 'inactive']);
  expect(pair.a.currentLocalDescription!.sdp).toContain('a=inactive\r\n');
  expect(pair.a.currentLocalDescription!.sdp).toContain('a=msid:');
  await pair.until(() => false, 1000);
  expect(needed(pair)).toEqual([]);
});
