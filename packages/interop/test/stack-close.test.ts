import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { type CloseMessage, RTCPeerConnection, RtpSource, type TapRecord } from 'petrel';
import { now, until } from '../src/session.ts';
import { StackPeer } from '../src/stack-peer.ts';
import { describeWith } from './describe-with.ts';

type Name = Parameters<typeof StackPeer.start>[0];

/** What each stack makes of our messages, and what it says itself when it closes. Measured; the order of the wire is its own. */
const STACKS: Record<
  Name,
  { readonly byAbort: string; readonly byAlert: string; readonly byBye: string | undefined; readonly says: RegExp }
> = {
  aiortc: { byAbort: 'channel close', byAlert: 'track ended', byBye: 'track ended', says: /ABORT|SHUTDOWN|Alert/ },
  wrtc: { byAbort: 'channel close', byAlert: 'channel close', byBye: undefined, says: /ABORT|SHUTDOWN|Alert/ },
  'node-datachannel': { byAbort: 'channel close', byAlert: 'channel close', byBye: undefined, says: /ABORT|SHUTDOWN|Alert/ },
};
const NOTICED_WITHIN = 1000;

for (const name of Object.keys(STACKS) as Name[])
  describeWith(name, `${name}: the close`, (command) => {
    const { byAbort, byAlert, byBye, says } = STACKS[name];
    let peer: StackPeer;
    let pc: RTCPeerConnection;
    let wire: TapRecord[];
    let timer: NodeJS.Timeout | undefined;
    beforeAll(async () => {
      peer = await StackPeer.start(name, command);
    }, 30_000);
    afterEach(() => {
      clearInterval(timer);
      pc.close({ linger: 0 });
    });
    afterAll(() => peer?.stop());

    async function connect(): Promise<void> {
      pc = new RTCPeerConnection({ autoClose: true });
      wire = [];
      pc.tap = (record) => void wire.push(record);
      const channel = pc.createDataChannel('x');
      if (byBye !== undefined) sendSound();
      const open = new Promise((resolve) => (channel.onopen = resolve));
      await peer.create({});
      await pc.setLocalDescription();
      await pc.iceGatheringComplete;
      await pc.setRemoteDescription({ type: 'answer', sdp: await peer.answer(pc.localDescription!.sdp) });
      await open;
      // Some of our sound has arrived.
      await new Promise((resolve) => setTimeout(resolve, 150));
    }

    function sendSound(): void {
      const source = new RtpSource('audio', { mimeType: 'audio/opus' });
      pc.addTrack(source.track);
      let sequenceNumber = 0;
      timer = setInterval(() => {
        sequenceNumber += 1;
        source.write(Uint8Array.from([0x80, 111, 0, sequenceNumber, 0, 0, 4 * sequenceNumber, 0, 0, 0, 0, 1, 0xf8, 0xff, 0xfe]));
      }, 20);
    }

    /** @returns how long it took the peer to notice */
    async function noticed(event: string, sequence?: CloseMessage[]): Promise<number> {
      const called = now();
      pc.close({ reason: 'enough', ...(sequence && { sequence }) });
      const events = await until(
        () => peer.noticed(),
        (all) => all.some(({ name: each }) => each === event),
        5000,
      );
      return events.find(({ name: each }) => each === event)!.at - called;
    }

    test('our close is noticed within a second, and answered, or followed by silence', async () => {
      await connect();
      const delay = await noticed('channel close');
      const { heard, flights } = await pc.closed;
      process.stdout.write(`${name} notices our close after ${delay.toFixed(0)} ms; heard ${heard}, ${flights} flights\n`);
      expect(delay).toBeLessThan(NOTICED_WITHIN);
      expect(['close_notify', 'quiet']).toContain(heard);
    }, 30_000);

    test('each of the three takes effect by itself', async () => {
      await connect();
      expect(await noticed(byAbort, ['abort'])).toBeLessThan(NOTICED_WITHIN);
      await connect();
      expect(await noticed(byAlert, ['close_notify'])).toBeLessThan(NOTICED_WITHIN);
      if (byBye === undefined) return;
      await connect();
      expect(await noticed(byBye, ['bye'])).toBeLessThan(NOTICED_WITHIN);
    }, 40_000);

    test('its close is noticed by us within a second', async () => {
      await connect();
      const called = now();
      const isOver = new Promise<number>((resolve) => pc.sctp!.addEventListener('statechange', () => resolve(now() - called)));
      await peer.close();
      const delay = await isOver;
      const said = wire
        .filter(({ direction, summary }) => direction === 'in' && /BYE|ABORT|SHUTDOWN|Alert/.test(summary))
        .map(({ summary }) => summary);
      process.stdout.write(`we notice ${name}'s close after ${delay.toFixed(0)} ms; it said ${said.join(', ')}\n`);
      expect(delay).toBeLessThan(NOTICED_WITHIN);
      expect(said.join()).toMatch(says);
    }, 30_000);
  });
