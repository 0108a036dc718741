import { describe, expect, test } from '@jest/globals';
import {
  EXTMAP,
  FINGERPRINT,
  GROUP,
  has,
  ICE_UFRAG,
  MID,
  type MediaSection,
  parseSessionDescription,
  read,
  readAll,
  RID,
  RTCP_MUX,
  RTPMAP,
  SETUP,
  SIMULCAST,
  SSRC_GROUP,
  type SessionDescription,
} from '@petrel/sdp';
import { type RTCPeerConnection, RTCRtpReceiver, RtpSource } from '../src/index.ts';
import { directionOf } from '../src/jsep/description.ts';
import { PeerPair } from './peer-pair.ts';

async function offerOf(pair: PeerPair, connection: RTCPeerConnection = pair.a): Promise<SessionDescription> {
  const { sdp } = await pair.run(connection.createOffer());
  return parseSessionDescription(sdp!);
}

function codecNames(section: MediaSection): string[] {
  return readAll(section, RTPMAP).map(({ encoding }) => encoding);
}

describe('RFC 8829 §5.2: offers', () => {
  test('§5.2.1: sections in the order of the transceivers, data last, each with what it needs', async () => {
    const pair = new PeerPair();
    pair.a.createDataChannel('x');
    pair.a.addTransceiver('video', { direction: 'recvonly' });
    pair.a.addTrack(new RtpSource('audio').track);
    const offer = await offerOf(pair);
    expect(offer.media.map(({ kind }) => kind)).toEqual(['video', 'audio', 'application']);
    expect(offer.media.map((section) => read(section, MID))).toEqual(['0', '1', '2']);
    expect(readAll(offer, GROUP)).toEqual([{ semantics: 'BUNDLE', mids: ['0', '1', '2'] }]);
    expect(offer.media.slice(0, 2).map((section) => directionOf(offer, section))).toEqual(['recvonly', 'sendrecv']);
    for (const section of offer.media) {
      expect(read(section, SETUP)).toBe('actpass');
      expect(read(section, FINGERPRINT)?.algorithm).toBe('sha-256');
      expect(read(section, ICE_UFRAG)).toMatch(/^[A-Za-z0-9+/]{4,}$/);
      if (section.kind !== 'application') expect(has(section, RTCP_MUX)).toBe(true);
    }
  });

  test('§5.2.1: the version stays while nothing changes, and grows when something does', async () => {
    const pair = new PeerPair();
    pair.a.addTransceiver('audio');
    const [first, second] = [await offerOf(pair), await offerOf(pair)];
    expect(second).toEqual(first);
    pair.a.addTransceiver('video');
    const third = await offerOf(pair);
    expect(Number(third.origin.sessionVersion)).toBe(Number(first.origin.sessionVersion) + 1);
    expect(third.origin.sessionId).toBe(first.origin.sessionId);
  });

  test.each([
    ['max-bundle', [false, true, true, true]],
    ['balanced', [false, true, false, false]],
    ['max-compat', [false, false, false, false]],
  ] as const)('§4.1.1: policy %s says which sections are bundle-only', async (bundlePolicy, bundleOnly) => {
    const pair = new PeerPair({ a: { bundlePolicy } });
    for (const kind of ['audio', 'audio', 'video']) pair.a.addTransceiver(kind);
    pair.a.createDataChannel('x');
    const offer = await offerOf(pair);
    expect(offer.media.map(({ attributes }) => attributes.some(({ name }) => name === 'bundle-only'))).toEqual(bundleOnly);
    expect(offer.media.map(({ port }) => port === 0)).toEqual(bundleOnly);
    const fragments = offer.media.flatMap((section) => read(section, ICE_UFRAG) ?? []);
    expect(new Set(fragments).size).toBe(bundleOnly.filter((only) => !only).length);
  });

  test('RFC 8843 §10: payload types and identifiers mean the same in all sections', async () => {
    const pair = new PeerPair();
    for (const kind of ['audio', 'video', 'video']) pair.a.addTransceiver(kind);
    const offer = await offerOf(pair);
    const payloadTypes = new Map<number, string>();
    const extensions = new Map<number, string>();
    for (const section of offer.media) {
      for (const { payloadType, encoding } of readAll(section, RTPMAP)) {
        expect(payloadTypes.get(payloadType) ?? encoding).toBe(encoding);
        payloadTypes.set(payloadType, encoding);
      }
      for (const { id, uri } of readAll(section, EXTMAP)) {
        expect(extensions.get(id) ?? uri).toBe(uri);
        extensions.set(id, uri);
      }
    }
  });

  test('a track that says what it contains comes first, known or not', async () => {
    const pair = new PeerPair();
    pair.a.addTrack(new RtpSource('video', { mimeType: 'video/H264' }).track);
    pair.a.addTrack(new RtpSource('video', { mimeType: 'video/H265' }).track);
    const offer = await offerOf(pair);
    expect(codecNames(offer.media[0]!).slice(0, 2)).toEqual(['H264', 'rtx']);
    expect(codecNames(offer.media[1]!).slice(0, 2)).toEqual(['H265', 'rtx']);
  });

  test('setCodecPreferences leaves out what it does not name', async () => {
    const pair = new PeerPair();
    const transceiver = pair.a.addTransceiver('video');
    const { codecs } = RTCRtpReceiver.getCapabilities('video')!;
    transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === 'video/VP9'));
    const offer = await offerOf(pair);
    expect(codecNames(offer.media[0]!)).toEqual(['VP9']);
    transceiver.setCodecPreferences([]);
    expect(codecNames((await offerOf(pair)).media[0]!)).toContain('VP8');
    expect(() => transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === 'video/rtx'))).toThrow(
      expect.objectContaining({ name: 'InvalidModificationError' }),
    );
  });

  test('RFC 8853 §5.2: several encodings are offered as simulcast, without a=ssrc', async () => {
    const pair = new PeerPair();
    pair.a.addTransceiver('video', { sendEncodings: [{ rid: 'q' }, { rid: 'h' }, { rid: 'f' }] });
    const [section] = (await offerOf(pair)).media;
    expect(readAll(section!, RID).map(({ id, direction }) => `${id} ${direction}`)).toEqual(['q send', 'h send', 'f send']);
    expect(
      read(section!, SIMULCAST)
        ?.send?.flat()
        .map(({ id }) => id),
    ).toEqual(['q', 'h', 'f']);
    expect(readAll(section!, SSRC_GROUP)).toEqual([]);
  });

  test('§5.2.2: a stopped transceiver’s section is rejected, and then used again', async () => {
    const pair = new PeerPair();
    const first = pair.a.addTransceiver('audio');
    pair.a.addTransceiver('video');
    await pair.negotiate();
    first.stop();
    const stopping = await offerOf(pair);
    expect(stopping.media.map(({ port }) => port === 0)).toEqual([true, false]);
    expect(readAll(stopping, GROUP)[0]?.mids).toEqual(['1']);
    await pair.negotiate();
    expect(pair.a.getTransceivers()).toHaveLength(1);
    expect([first.mid, first.currentDirection]).toEqual([null, 'stopped']);
    pair.a.addTransceiver('video');
    const reused = await offerOf(pair);
    expect(reused.media.map(({ kind }) => kind)).toEqual(['video', 'video']);
    expect(read(reused.media[0]!, MID)).toBe('2');
    await pair.negotiate();
    expect(pair.a.getTransceivers().map(({ mid, currentDirection }) => `${mid} ${currentDirection}`)).toEqual(['1 sendonly', '2 sendonly']);
  });

  test('§5.2.2: a new section joins the transport of the group', async () => {
    const pair = new PeerPair();
    pair.a.addTransceiver('audio');
    await pair.connect();
    pair.a.addTransceiver('video');
    const offer = await offerOf(pair);
    expect(read(offer.media[1]!, ICE_UFRAG)).toBe(read(offer.media[0]!, ICE_UFRAG));
    await pair.negotiate();
    const [audio, video] = pair.a.getTransceivers();
    expect(video!.sender.transport).toBe(audio!.sender.transport);
    expect(pair.a.connectionState).toBe('connected');
  });

  test('RFC 8843 §7.3.3: when the tagged section is rejected, the others go on with its transport', async () => {
    const pair = new PeerPair({ a: { bundlePolicy: 'max-bundle' } });
    pair.a.addTransceiver('audio');
    pair.a.addTransceiver('video');
    pair.a.createDataChannel('x');
    await pair.run(pair.a.setLocalDescription());
    const sctp = pair.a.sctp;
    const sdp = pair.a.localDescription!.sdp.replaceAll(/a=rtpmap:(\d+) [\w-]+\/(48000|8000)/g, 'a=rtpmap:$1 X-NEW/$2');
    await pair.run(pair.b.setRemoteDescription({ type: 'offer', sdp }));
    await pair.run(pair.b.setLocalDescription());
    expect(pair.b.localDescription!.sdp).toMatch(/m=audio 0 /);
    await pair.run(pair.a.setRemoteDescription(pair.b.localDescription!));
    expect(await pair.until(() => pair.a.connectionState === 'connected' && pair.b.connectionState === 'connected')).toBe(true);
    expect(pair.a.getTransceivers().map(({ mid }) => mid)).toEqual(['1']);
    expect(pair.a.sctp).toBe(sctp);
    expect(pair.a.sctp?.transport).toBe(pair.a.getSenders()[0]!.transport);
  });
});
