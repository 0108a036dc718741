import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  EXTMAP,
  GROUP,
  ICE_UFRAG,
  type MediaSection,
  MID,
  parseSessionDescription,
  read,
  readAll,
  RTCP_FEEDBACK,
  RTPMAP,
  SETUP,
  type SessionDescription,
} from '@petrel/sdp';
import { RtpSource } from '../src/index.ts';
import { bundleGroups, directionOf } from '../src/jsep/description.ts';
import { PeerPair } from './peer-pair.ts';

const offers = Object.fromEntries(
  ['chromium', 'firefox', 'aiortc'].map((name) => [
    name,
    readFileSync(join(__dirname, `../../sdp/test/vectors/${name}-offer.sdp`), 'utf8'),
  ]),
) as Record<'chromium' | 'firefox' | 'aiortc', string>;

async function answerTo(pair: PeerPair, sdp: string): Promise<SessionDescription> {
  await pair.run(pair.a.setRemoteDescription({ type: 'offer', sdp }));
  await pair.run(pair.a.setLocalDescription());
  return parseSessionDescription(pair.a.localDescription!.sdp);
}

function codecNames(section: MediaSection): string[] {
  return readAll(section, RTPMAP).map(({ encoding }) => encoding);
}

async function rejection(pair: PeerPair, sdp: string): Promise<unknown> {
  return pair.run(
    pair.a.setRemoteDescription({ type: 'offer', sdp }).then(
      () => 'accepted',
      (error: unknown) => error,
    ),
  );
}

describe('RFC 8829 §5.3: answers to real offers', () => {
  test.each(Object.entries(offers))('the offer of %s: one transport, the offer’s mids, active', async (_name, sdp) => {
    const pair = new PeerPair();
    const answer = await answerTo(pair, sdp);
    expect(answer.media.map(({ kind }) => kind)).toEqual(['audio', 'video', 'application']);
    expect(readAll(answer, GROUP)).toEqual([{ semantics: 'BUNDLE', mids: ['0', '1', '2'] }]);
    expect(answer.media.map((section) => read(section, MID))).toEqual(['0', '1', '2']);
    expect(new Set(answer.media.map((section) => read(section, ICE_UFRAG))).size).toBe(1);
    for (const section of answer.media) {
      expect(section.port).toBeGreaterThan(0);
      expect(read(section, SETUP)).toBe('active');
    }
    expect(answer.media.slice(0, 2).map((section) => directionOf(answer, section))).toEqual(['recvonly', 'recvonly']);
  });

  test.each(Object.entries(offers))('RFC 3264 §6.1: %s: payload types, formats and identifiers are the offer’s', async (_name, sdp) => {
    const pair = new PeerPair();
    const offer = parseSessionDescription(sdp);
    const answer = await answerTo(pair, sdp);
    for (const [index, section] of answer.media.entries()) {
      const offered = offer.media[index]!;
      for (const map of readAll(section, RTPMAP)) {
        const same = readAll(offered, RTPMAP).find(({ payloadType }) => payloadType === map.payloadType);
        expect([map.encoding, map.clockRate]).toEqual([same?.encoding, same?.clockRate]);
      }
      for (const { id, uri } of readAll(section, EXTMAP))
        expect(readAll(offered, EXTMAP)).toContainEqual(expect.objectContaining({ id, uri }));
      for (const feedback of readAll(section, RTCP_FEEDBACK)) {
        const [type, parameter] = feedback.type.split(' ');
        expect(readAll(offered, RTCP_FEEDBACK)).toContainEqual(
          expect.objectContaining({ payloadType: feedback.payloadType, type, ...(parameter === undefined ? {} : { parameter }) }),
        );
      }
    }
  });

  test('what cannot be carried is not accepted: FEC, and the retransmissions of what was not accepted', async () => {
    const [, video] = (await answerTo(new PeerPair(), offers.chromium)).media;
    expect(codecNames(video!)).toContain('VP8');
    expect(codecNames(video!)).not.toContain('ulpfec');
    expect(codecNames(video!)).not.toContain('red');
    expect(video!.formats).not.toContain('119'); // rtx of red
    expect(video!.formats).toHaveLength(readAll(video!, RTPMAP).length);
  });

  test('the older form of the data section is answered in that form (aiortc)', async () => {
    const [, , data] = (await answerTo(new PeerPair(), offers.aiortc)).media;
    expect([data!.protocol, data!.formats]).toEqual(['DTLS/SCTP', ['5000']]);
    expect(data!.attributes).toContainEqual({ name: 'sctpmap', value: '5000 webrtc-datachannel 65535' });
  });

  test('a track of ours makes the answer sendrecv, with its codec first', async () => {
    const pair = new PeerPair();
    pair.a.addTrack(new RtpSource('video', { mimeType: 'video/VP9' }).track);
    const answer = await answerTo(pair, offers.chromium);
    expect(answer.media.slice(0, 2).map((section) => directionOf(answer, section))).toEqual(['recvonly', 'sendrecv']);
    expect(codecNames(answer.media[1]!)[0]).toBe('VP9');
    const [codec] = pair.a
      .getSenders()
      .find(({ track }) => track !== null)!
      .getParameters().codecs;
    expect(codec?.mimeType).toBe('video/VP8'); // what the peer prefers to receive
  });

  test.each([
    ['active', 'passive'],
    ['passive', 'active'],
  ])('RFC 8842 §5.3: an offer that is %s is answered with %s', async (offered, expected) => {
    const answer = await answerTo(new PeerPair(), offers.chromium.replaceAll('a=setup:actpass', `a=setup:${offered}`));
    expect(answer.media.map((section) => read(section, SETUP))).toEqual([expected, expected, expected]);
  });

  test('RFC 8843 §7.3.3: a rejected section leaves the group, and the next one speaks for it', async () => {
    const pair = new PeerPair();
    await pair.run(pair.a.setRemoteDescription({ type: 'offer', sdp: offers.chromium }));
    const answer = await answerTo(new PeerPair(), offers.chromium.replace('m=audio 46271', 'm=audio 0'));
    expect(answer.media[0]!.port).toBe(0);
    expect(readAll(answer, GROUP)).toEqual([{ semantics: 'BUNDLE', mids: ['1', '2'] }]);
  });

  test('§5.3.1: without BUNDLE every section has a transport of its own', async () => {
    const answer = await answerTo(new PeerPair(), offers.chromium.replace('a=group:BUNDLE 0 1 2\r\n', ''));
    expect(readAll(answer, GROUP)).toEqual([]);
    expect(new Set(answer.media.map((section) => read(section, ICE_UFRAG))).size).toBe(3);
  });

  test('§4.1.1: max-bundle takes only what is in the group of the first section', async () => {
    const pair = new PeerPair({ a: { bundlePolicy: 'max-bundle' } });
    const answer = await answerTo(pair, offers.chromium.replace('a=group:BUNDLE 0 1 2\r\n', ''));
    expect(answer.media.map(({ port }) => port === 0)).toEqual([false, true, true]);
  });

  test('a section of an unknown kind, or with unknown codecs, is rejected', async () => {
    const sdp = offers.chromium
      .replace('m=application 52685 UDP/DTLS/SCTP webrtc-datachannel', 'm=image 52685 UDP/UDPTL t38')
      .replace(/a=rtpmap:(\d+) \w[\w-]*\/90000/g, 'a=rtpmap:$1 X-NEW/90000');
    const answer = await answerTo(new PeerPair(), sdp);
    expect(answer.media.map(({ port }) => port === 0)).toEqual([false, true, true]);
  });

  test('§5.10: the tracks have the streams of a=msid', async () => {
    const pair = new PeerPair();
    const streams: string[] = [];
    pair.a.ontrack = (event) => streams.push(`${event.track.kind} ${event.streams.map(({ id }) => id).join()}`);
    await answerTo(pair, offers.aiortc);
    expect(streams).toEqual(['audio cc721252-8b6a-440c-b4b2-b8b6c3e488f1', 'video cc721252-8b6a-440c-b4b2-b8b6c3e488f1']);
    expect(pair.a.getReceivers().every(({ track }) => track.muted)).toBe(true);
  });
});

describe('RFC 8829 §5.8: what is refused', () => {
  test.each([
    ['no syntax', 'nonsense', 'OperationError'],
    ['no credentials', offers.aiortc.replaceAll(/a=ice-ufrag:.*\r\n/g, ''), 'InvalidAccessError'],
    ['credentials of other characters', offers.aiortc.replace('a=ice-ufrag:19hu', 'a=ice-ufrag:19-u'), 'InvalidAccessError'],
    ['no fingerprint', offers.aiortc.replaceAll(/a=fingerprint:.*\r\n/g, ''), 'InvalidAccessError'],
    ['RTCP that is not multiplexed', offers.aiortc.replaceAll('a=rtcp-mux\r\n', ''), 'InvalidAccessError'],
    ['two sections of one name', offers.aiortc.replace('a=mid:1', 'a=mid:0').replace(/a=group.*\r\n/, ''), 'InvalidAccessError'],
    [
      'a section in two groups',
      offers.aiortc.replace('a=group:BUNDLE 0 1 2', 'a=group:BUNDLE 0 1\r\na=group:BUNDLE 1 2'),
      'InvalidAccessError',
    ],
    ['two sections with the same track', offers.aiortc.replaceAll(/a=mid:[01]\r\n/g, '$&a=msid:stream track\r\n'), 'OperationError'],
    ['a role that holds the connection', offers.aiortc.replaceAll('a=setup:actpass', 'a=setup:holdconn'), 'InvalidAccessError'],
    ['a group of sections that are not there', offers.aiortc.replace('BUNDLE 0 1 2', 'BUNDLE 0 1 3'), 'InvalidAccessError'],
    ['a payload type of RTCP’s', offers.aiortc.replaceAll(/\b96\b/g, '72'), 'InvalidAccessError'],
  ])('%s', async (_name, sdp, name) => {
    const pair = new PeerPair();
    expect(await rejection(pair, sdp)).toMatchObject({ name });
    expect([pair.a.signalingState, pair.a.getTransceivers().length]).toEqual(['stable', 0]);
  });

  test('N02: what a description repeats is looked at once: a payload type, the groups', async () => {
    const sdp = offers.aiortc.replace(/(m=audio \d+ \S+) (\d+)/, `$1${' $2'.repeat(1000)}`);
    const answer = await answerTo(new PeerPair(), sdp);
    expect(answer.media[0]!.formats).toHaveLength(new Set(answer.media[0]!.formats).size);
    expect(bundleGroups(answer)).toBe(bundleGroups(answer));
  });

  test('W3C WebRTC §4.4.1.5: a syntax error says the line', async () => {
    expect(await rejection(new PeerPair(), offers.aiortc.replace('a=setup:actpass', 'a=setup:x'))).toMatchObject({
      errorDetail: 'sdp-syntax-error',
      sdpLineNumber: offers.aiortc.split('\r\n').indexOf('a=setup:actpass') + 1,
    });
  });

  test('RFC 3264 §8: an offer that has lost a section', async () => {
    const pair = new PeerPair();
    await answerTo(pair, offers.aiortc);
    const shorter = offers.aiortc.slice(0, offers.aiortc.indexOf('m=application')).replace('BUNDLE 0 1 2', 'BUNDLE 0 1');
    expect(await rejection(pair, shorter)).toMatchObject({ name: 'InvalidAccessError' });
  });

  test.each([
    ['another kind', (sdp: string) => sdp.replace('m=audio', 'm=video').replaceAll('/48000/2', '/90000')],
    ['another mid', (sdp: string) => sdp.replace('a=mid:0', 'a=mid:x').replace('BUNDLE 0', 'BUNDLE x')],
  ])('RFC 3264 §8: an offer whose first section has %s than before', async (_name, change) => {
    const pair = new PeerPair();
    await answerTo(pair, offers.aiortc);
    expect(await rejection(pair, change(offers.aiortc))).toMatchObject({ name: 'InvalidAccessError' });
  });

  test.each([
    ['accepts what was rejected in the offer', /was rejected/, (sdp: string) => sdp.replace('m=video 0', 'm=video 9')],
    ['groups what was not offered as a group', /BUNDLE group/, (sdp: string) => sdp.replace('BUNDLE 0', 'BUNDLE 0 1')],
  ])('RFC 3264 §6: an answer that %s', async (_name, message, change) => {
    const pair = new PeerPair();
    pair.a.addTransceiver('audio');
    const video = pair.a.addTransceiver('video');
    await pair.negotiate();
    video.stop();
    await pair.run(pair.a.setLocalDescription());
    await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
    await pair.run(pair.b.setLocalDescription());
    const { sdp } = pair.b.localDescription!;
    expect(change(sdp)).not.toBe(sdp);
    await expect(pair.run(pair.a.setRemoteDescription({ type: 'answer', sdp: change(sdp) }))).rejects.toMatchObject({
      name: 'InvalidAccessError',
      message: expect.stringMatching(message),
    });
  });

  test.each([
    ['another kind', (sdp: string) => sdp.replace('m=audio', 'm=video').replaceAll('/48000/2', '/90000')],
    ['another mid', (sdp: string) => sdp.replaceAll('a=mid:0', 'a=mid:x').replace(/a=group.*\r\n/, '')],
    ['nothing but retransmissions', (sdp: string) => sdp.replaceAll(/(a=rtpmap:\d+) [^/]+/g, '$1 rtx')],
    ['a direction that was not offered', (sdp: string) => sdp.replace('a=recvonly', 'a=sendrecv')],
    ['an identifier that has changed its meaning', (sdp: string) => sdp.replace(/extmap:1 \S+/, 'extmap:1 urn:x')],
    ['an open role', (sdp: string) => sdp.replaceAll('a=setup:active', 'a=setup:actpass')],
    ['no section', (sdp: string) => sdp.slice(0, sdp.indexOf('m=')).replace(/a=group.*\r\n/, '')],
  ])('RFC 3264 §6: an answer with %s', async (_name, change) => {
    const pair = new PeerPair();
    pair.a.addTransceiver('audio', { direction: 'sendonly' });
    await pair.run(pair.a.setLocalDescription());
    await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
    await pair.run(pair.b.setLocalDescription());
    const answer = { type: 'answer' as const, sdp: change(pair.b.localDescription!.sdp) };
    await expect(pair.run(pair.a.setRemoteDescription(answer))).rejects.toMatchObject({ name: 'InvalidAccessError' });
    expect(pair.a.signalingState).toBe('have-local-offer');
  });
});

describe('a peer that is not trusted', () => {
  /** Lines of real offers left out, repeated, moved, and exchanged with others. */
  const mutations = fc.record({
    base: fc.constantFrom(...Object.values(offers)),
    edits: fc.array(fc.record({ how: fc.constantFrom('drop', 'repeat', 'swap', 'take'), at: fc.nat(), from: fc.nat() }), {
      minLength: 1,
      maxLength: 6,
    }),
  });

  function mutate(base: string, edits: readonly { how: string; at: number; from: number }[]): string {
    const lines = base.trimEnd().split('\r\n');
    const pool = Object.values(offers).flatMap((offer) => offer.trimEnd().split('\r\n'));
    for (const { how, at, from } of edits) {
      const index = at % lines.length;
      const other = from % lines.length;
      if (how === 'drop') lines.splice(index, 1);
      else if (how === 'repeat') lines.splice(index, 0, lines[other]!);
      else if (how === 'swap') [lines[index], lines[other]] = [lines[other]!, lines[index]!];
      else lines[index] = pool[from % pool.length]!;
    }
    return `${lines.join('\r\n')}\r\n`;
  }

  test('whatever it offers is refused as the specification says, or answered', async () => {
    const property = fc.asyncProperty(mutations, async ({ base, edits }) => {
      const pair = new PeerPair();
      pair.a.addTrack(new RtpSource('audio').track);
      const error = await rejection(pair, mutate(base, edits));
      if (error !== 'accepted') {
        expect(error).toMatchObject({ name: expect.stringMatching(/^(OperationError|InvalidAccessError)$/) });
        expect(pair.a.signalingState).toBe('stable');
        return;
      }
      await pair.run(pair.a.setLocalDescription());
      const answer = parseSessionDescription(pair.a.localDescription!.sdp);
      expect(answer.media).toHaveLength(parseSessionDescription(pair.a.remoteDescription!.sdp).media.length);
      pair.a.close();
    });
    await fc.assert(property, { numRuns: 150 });
  }, 60_000);
});
