import { describe, expect, test } from '@jest/globals';
import { type RTCRtpEncodingParameters, RTCRtpReceiver, type RTCRtpTransceiver } from '../src/index.ts';
import { PeerPair } from './peer-pair.ts';

const MID = 'urn:ietf:params:rtp-hdrext:sdes:mid';
const ORIENTATION = 'urn:3gpp:video-orientation';

function direction(list: readonly { uri: string; direction?: string }[], uri: string): string | undefined {
  return list.find((extension) => extension.uri === uri)?.direction;
}

function choose(transceiver: RTCRtpTransceiver, uri: string, chosen: 'sendrecv' | 'sendonly' | 'stopped'): void {
  const list = transceiver.getHeaderExtensionsToNegotiate();
  list.find((extension) => extension.uri === uri)!.direction = chosen;
  transceiver.setHeaderExtensionsToNegotiate(list);
}

describe('WebRTC Extensions: RTP header extension control', () => {
  test('everything is negotiated unless it is stopped; a stopped one is not offered', async () => {
    const pair = new PeerPair();
    const transceiver = pair.a.addTransceiver('video');
    expect(transceiver.getHeaderExtensionsToNegotiate().every((extension) => extension.direction === 'sendrecv')).toBe(true);
    expect(transceiver.getNegotiatedHeaderExtensions().every((extension) => extension.direction === 'stopped')).toBe(true);
    choose(transceiver, ORIENTATION, 'stopped');
    const { sdp } = await pair.run(pair.a.createOffer());
    expect(sdp).toContain(MID);
    expect(sdp).not.toContain(ORIENTATION);
  });

  test('a direction is offered with it, and turned round in the answer', async () => {
    const pair = new PeerPair();
    const transceiver = pair.a.addTransceiver('video');
    choose(transceiver, ORIENTATION, 'sendonly');
    await pair.negotiate();
    expect(pair.a.localDescription!.sdp).toMatch(/a=extmap:\d+\/sendonly urn:3gpp:video-orientation/);
    expect(direction(transceiver.getNegotiatedHeaderExtensions(), ORIENTATION)).toBe('sendonly');
    expect(direction(pair.b.getTransceivers()[0]!.getNegotiatedHeaderExtensions(), ORIENTATION)).toBe('recvonly');
  });

  test('what one side stops is stopped on both, and is not offered by the other', async () => {
    const pair = new PeerPair();
    pair.a.addTransceiver('video');
    await pair.run(pair.a.setLocalDescription());
    await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
    choose(pair.b.getTransceivers()[0]!, ORIENTATION, 'stopped');
    await pair.run(pair.b.setLocalDescription());
    await pair.run(pair.a.setRemoteDescription(pair.b.localDescription!));
    for (const { getNegotiatedHeaderExtensions, getHeaderExtensionsToNegotiate } of [
      RTCRtpTransceiverOf(pair.a),
      RTCRtpTransceiverOf(pair.b),
    ]) {
      expect(direction(getNegotiatedHeaderExtensions(), ORIENTATION)).toBe('stopped');
      expect(direction(getHeaderExtensionsToNegotiate(), ORIENTATION)).toBe('stopped');
    }
    await pair.negotiate();
    expect(pair.a.localDescription!.sdp).not.toContain(ORIENTATION);
  });

  test('what was not negotiated comes back when it is offered again, but not against the will of the answerer', async () => {
    const pair = new PeerPair();
    const transceiver = pair.a.addTransceiver('video');
    choose(transceiver, ORIENTATION, 'stopped');
    await pair.negotiate();
    choose(transceiver, ORIENTATION, 'sendrecv');
    await pair.negotiate();
    expect(direction(transceiver.getNegotiatedHeaderExtensions(), ORIENTATION)).toBe('sendrecv');
    choose(pair.b.getTransceivers()[0]!, ORIENTATION, 'stopped');
    await pair.negotiate();
    expect(direction(transceiver.getNegotiatedHeaderExtensions(), ORIENTATION)).toBe('stopped');
  });

  test('another list is refused', () => {
    const transceiver = new PeerPair().a.addTransceiver('audio');
    const list = transceiver.getHeaderExtensionsToNegotiate();
    const refused = expect.objectContaining({ name: 'InvalidModificationError' });
    expect(() => transceiver.setHeaderExtensionsToNegotiate(list.slice(1))).toThrow(refused);
    expect(() => transceiver.setHeaderExtensionsToNegotiate([...list, { uri: 'x' }])).toThrow(refused);
    expect(() => transceiver.setHeaderExtensionsToNegotiate(list.toReversed())).toThrow(refused);
    expect(() => choose(transceiver, MID, 'stopped')).toThrow(refused);
    for (const wrong of [{ uri: '' }, { direction: 'up' }]) {
      const changed = list.map((extension, index) => (index === 0 ? { ...extension, ...wrong } : extension)) as typeof list;
      expect(() => transceiver.setHeaderExtensionsToNegotiate(changed)).toThrow(TypeError);
    }
  });
});

describe('WebRTC Extensions: alwaysNegotiateDataChannels', () => {
  test('an offer has a section for data channels before there is one', async () => {
    const pair = new PeerPair({ a: { alwaysNegotiateDataChannels: true } });
    expect((await pair.run(pair.a.createOffer())).sdp).toContain('m=application');
    expect((await pair.run(pair.b.createOffer())).sdp).not.toContain('m=application');
    pair.b.setConfiguration({ ...pair.b.getConfiguration(), alwaysNegotiateDataChannels: true });
    expect((await pair.run(pair.b.createOffer())).sdp).toContain('m=application');
  });

  test('a channel made later needs no other offer', async () => {
    const pair = new PeerPair({ a: { alwaysNegotiateDataChannels: true } });
    await pair.connect();
    const channel = pair.a.createDataChannel('late');
    expect(await pair.until(() => channel.readyState === 'open')).toBe(true);
    expect(pair.events).not.toContain('a negotiationneeded');
  });
});

describe('WebRTC Extensions: scaleResolutionDownTo', () => {
  const sizes = { maxWidth: 320, maxHeight: 180 };

  test('is kept, and can be changed', async () => {
    const pair = new PeerPair();
    const { sender } = pair.a.addTransceiver('video', { sendEncodings: [{ scaleResolutionDownTo: sizes }] });
    const parameters = sender.getParameters();
    expect(parameters.encodings[0]!.scaleResolutionDownTo).toEqual(sizes);
    parameters.encodings[0]!.scaleResolutionDownTo = { maxWidth: 160, maxHeight: 90 };
    await pair.run(sender.setParameters(parameters));
    expect(sender.getParameters().encodings[0]!.scaleResolutionDownTo).toEqual({ maxWidth: 160, maxHeight: 90 });
    const audio = pair.a.addTransceiver('audio', { sendEncodings: [{ scaleResolutionDownTo: sizes }] });
    expect(audio.sender.getParameters().encodings[0]).not.toHaveProperty('scaleResolutionDownTo');
  });

  test('is refused when it has no pixels, or not all active encodings have it', async () => {
    const pair = new PeerPair();
    const add = (...sendEncodings: RTCRtpEncodingParameters[]): RTCRtpTransceiver => pair.a.addTransceiver('video', { sendEncodings });
    const refused = expect.objectContaining({ name: 'OperationError' });
    expect(() => add({ scaleResolutionDownTo: { maxWidth: 0, maxHeight: 180 } })).toThrow(refused);
    expect(() => add({ scaleResolutionDownTo: { maxWidth: 320 } })).toThrow(refused);
    expect(() => add({ rid: 'a', scaleResolutionDownTo: sizes }, { rid: 'b' })).toThrow(refused);
    const { sender } = add({ rid: 'a', scaleResolutionDownTo: sizes }, { rid: 'b', active: false });
    const parameters = sender.getParameters();
    parameters.encodings[1]!.active = true;
    await expect(sender.setParameters(parameters)).rejects.toMatchObject({ name: 'InvalidModificationError' });
  });
});

describe('WebRTC SVC §6: scalabilityMode', () => {
  test('a codec without spatial layers keeps the temporal ones of a mode', async () => {
    const pair = new PeerPair();
    const vp8 = pair.a.addTransceiver('video', { sendEncodings: [{ scalabilityMode: 'L3T3_KEY' }] });
    const vp9 = pair.a.addTransceiver('video', { sendEncodings: [{ scalabilityMode: 'L3T3_KEY' }] });
    vp9.setCodecPreferences(RTCRtpReceiver.getCapabilities('video')!.codecs.filter(({ mimeType }) => mimeType === 'video/VP9'));
    await pair.negotiate();
    expect(vp8.sender.getParameters().encodings[0]!.scalabilityMode).toBe('L1T3');
    const parameters = vp9.sender.getParameters();
    expect(parameters.encodings[0]!.scalabilityMode).toBe('L3T3_KEY');
    parameters.encodings[0]!.scalabilityMode = 'S2T1';
    await pair.run(vp9.sender.setParameters(parameters));
  });

  test('a mode that does not exist, or that the codec does not have, is an OperationError', async () => {
    const pair = new PeerPair();
    const refused = expect.objectContaining({ name: 'OperationError' });
    const codec = { mimeType: 'video/VP8', clockRate: 90_000 };
    for (const encoding of [{ scalabilityMode: 'L4T1' }, { scalabilityMode: 'L2T1', codec }])
      expect(() => pair.a.addTransceiver('video', { sendEncodings: [encoding] })).toThrow(refused);
    const { sender } = pair.a.addTransceiver('video');
    await pair.negotiate();
    const parameters = sender.getParameters();
    parameters.encodings[0]!.scalabilityMode = 'S2T1';
    await expect(sender.setParameters(parameters)).rejects.toMatchObject({ name: 'OperationError' });
  });
});

/** Methods that can be taken out of their object. */
function RTCRtpTransceiverOf(
  connection: PeerPair['a'],
): Pick<RTCRtpTransceiver, 'getNegotiatedHeaderExtensions' | 'getHeaderExtensionsToNegotiate'> {
  const transceiver = connection.getTransceivers()[0]!;
  return {
    getNegotiatedHeaderExtensions: () => transceiver.getNegotiatedHeaderExtensions(),
    getHeaderExtensionsToNegotiate: () => transceiver.getHeaderExtensionsToNegotiate(),
  };
}
