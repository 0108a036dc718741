import { describe, expect, test } from '@jest/globals';
import { DataChannelSlots, type DataChannelOptions, type DataChannelTransport } from '../src/data-channel-slots.ts';
import type { RTCErrorEvent } from '../src/events.ts';
import { createRTCDataChannel, dataChannelSlots, RTCDataChannel, toRTCDataChannelInit } from '../src/rtc-data-channel.ts';

/** A transport that keeps what it is given until `drain`. */
class FakeTransport implements DataChannelTransport {
  readonly sent: (string | Uint8Array)[] = [];
  closed = false;
  paused = false;
  buffered = 0;
  streamId: number | undefined = undefined;

  send(data: string | Uint8Array): void {
    this.sent.push(data);
    this.buffered += data.length;
  }

  close(): void {
    this.closed = true;
  }

  bufferedAmount(): number {
    return this.buffered;
  }

  id(): number | undefined {
    return this.streamId;
  }

  pauseReading(): void {
    this.paused = true;
  }

  resumeReading(): void {
    this.paused = false;
  }
}

interface Fixture {
  readonly channel: RTCDataChannel;
  readonly slots: DataChannelSlots;
  readonly transport: FakeTransport;
  readonly log: string[];
  drain(): void;
}

const HANDLE = { channel: 1 };

function open(options: Partial<DataChannelOptions> = {}): Fixture {
  const fixture = connecting(options);
  fixture.slots.attach(fixture.transport);
  fixture.slots.handleEvent({ type: 'open', ...HANDLE });
  return fixture;
}

function connecting(options: Partial<DataChannelOptions> = {}): Fixture {
  const channel = createRTCDataChannel({
    label: 'test',
    ordered: true,
    protocol: '',
    negotiated: false,
    statsId: 1,
    limits: () => ({ maxMessageSize: 1000, maxBufferSize: 3000 }),
    queueTask: (task) => void Promise.resolve().then(task),
    ...options,
  });
  const log: string[] = [];
  for (const type of ['open', 'message', 'bufferedamountlow', 'error', 'closing', 'close'])
    channel.addEventListener(type, () => log.push(type));
  const slots = dataChannelSlots(channel);
  const transport = new FakeTransport();
  const drain = (): void => {
    transport.buffered = 0;
    slots.handleEvent({ type: 'buffered-amount', amount: 0, ...HANDLE });
  };
  return { channel, slots, transport, log, drain };
}

describe('W3C WebRTC §6.2: RTCDataChannel', () => {
  test('has no public constructor', () => {
    expect(() => Reflect.construct(RTCDataChannel, [])).toThrow(new TypeError('Illegal constructor'));
    expect(RTCDataChannel.length).toBe(0);
  });

  test('attributes are those of its creation, null where nothing was said', () => {
    const { channel } = connecting({ label: 'l', protocol: 'p', ordered: false, maxRetransmits: 0, negotiated: true, id: 7 });
    const { label, protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated, id, readyState, binaryType, priority } = channel;
    expect({ label, protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated, id, readyState, binaryType, priority }).toEqual({
      label: 'l',
      protocol: 'p',
      ordered: false,
      maxRetransmits: 0,
      maxPacketLifeTime: null,
      negotiated: true,
      id: 7,
      readyState: 'connecting',
      binaryType: 'arraybuffer',
      priority: 'low',
    });
  });

  test('the id is null until the transport has one, and then stays', () => {
    const { channel, slots, transport } = connecting();
    slots.attach(transport);
    expect(channel.id).toBeNull();
    transport.streamId = 4;
    expect(channel.id).toBe(4);
    transport.streamId = undefined;
    expect(channel.id).toBe(4);
  });

  test('RTCDataChannelInit: [EnforceRange] and defaults', () => {
    expect(toRTCDataChannelInit({}, 'x')).toEqual({ ordered: true, protocol: '', negotiated: false, priority: 'low' });
    for (const member of ['id', 'maxRetransmits', 'maxPacketLifeTime'])
      for (const value of [-1, 65_536, NaN]) expect(() => toRTCDataChannelInit({ [member]: value }, 'x')).toThrow(TypeError);
  });

  test('send throws InvalidStateError unless open', () => {
    const { channel } = connecting();
    expect(() => channel.send('x')).toThrow(expect.objectContaining({ name: 'InvalidStateError' }));
    const other = open();
    other.channel.close();
    expect(() => other.channel.send('x')).toThrow(expect.objectContaining({ name: 'InvalidStateError' }));
  });

  test('send takes strings, buffers and views; bytes are copied, other values become strings', () => {
    const { channel, transport } = open();
    const bytes = Uint8Array.of(1, 2, 3, 4);
    channel.send(bytes.buffer);
    channel.send(bytes.subarray(1, 3));
    channel.send(new DataView(bytes.buffer, 2));
    bytes.fill(9);
    channel.send('text');
    channel.send(null as never);
    expect(transport.sent).toEqual([Uint8Array.of(1, 2, 3, 4), Uint8Array.of(2, 3), Uint8Array.of(3, 4), 'text', 'null']);
    expect(() => channel.send(new Uint8Array(new SharedArrayBuffer(1)) as never)).toThrow(TypeError);
    expect(() => (channel.send as () => void)()).toThrow(TypeError);
  });

  test('a message above maxMessageSize is a TypeError, a full buffer an OperationError; neither counts', () => {
    const { channel } = open();
    expect(() => channel.send(new Uint8Array(1001))).toThrow(TypeError);
    for (let i = 0; i < 3; i++) channel.send(new Uint8Array(1000));
    expect(() => channel.send('x')).toThrow(expect.objectContaining({ name: 'OperationError' }));
    expect(channel.bufferedAmount).toBe(3000);
  });

  test('bufferedAmount counts UTF-8 bytes, and falls only by a task', () => {
    const { channel, transport, drain, log } = open();
    channel.send('\u20AC');
    channel.send(new Uint8Array(10));
    transport.buffered = 0;
    expect(channel.bufferedAmount).toBe(13);
    drain();
    expect(channel.bufferedAmount).toBe(0);
    expect(log).toEqual(['open', 'bufferedamountlow']);
  });

  test('bufferedamountlow fires when the amount passes the threshold downwards, not below it', () => {
    const { channel, slots, transport, log } = open();
    channel.bufferedAmountLowThreshold = 100;
    const fallTo = (amount: number): void => {
      transport.buffered = amount;
      slots.handleEvent({ type: 'buffered-amount', amount, ...HANDLE });
    };
    channel.send(new Uint8Array(500));
    fallTo(101);
    expect(log).toEqual(['open']);
    fallTo(100);
    fallTo(0);
    expect(log).toEqual(['open', 'bufferedamountlow']);
    expect(() => (channel.bufferedAmountLowThreshold = -1)).toThrow(TypeError);
  });

  test('what is sent after a Blob waits for its bytes', async () => {
    const { channel, transport } = open();
    channel.send('a');
    channel.send(new Blob(['blob']));
    channel.send('b');
    channel.close();
    expect(channel.bufferedAmount).toBe(6);
    expect(transport.sent).toEqual(['a']);
    expect(transport.closed).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(transport.sent).toEqual(['a', new TextEncoder().encode('blob'), 'b']);
    expect(transport.closed).toBe(true);
  });

  test('binaryType: ArrayBuffers of their own, or Blobs; other values are ignored', async () => {
    const { channel, slots } = open();
    const received: unknown[] = [];
    channel.onmessage = ({ data }) => received.push(data);
    const datagram = Uint8Array.of(0, 1, 2, 3);
    slots.handleEvent({ type: 'message', data: datagram.subarray(1), ...HANDLE });
    channel.binaryType = 'blob';
    channel.binaryType = 'x' as never;
    slots.handleEvent({ type: 'message', data: Uint8Array.of(5), ...HANDLE });
    slots.handleEvent({ type: 'message', data: 'text', ...HANDLE });
    const [buffer, blob, text] = received as [ArrayBuffer, Blob, string];
    expect(new Uint8Array(buffer)).toEqual(Uint8Array.of(1, 2, 3));
    expect(new Uint8Array(await blob.arrayBuffer())).toEqual(Uint8Array.of(5));
    expect(text).toBe('text');
    expect(slots.counters).toEqual({ messagesSent: 0, bytesSent: 0, messagesReceived: 3, bytesReceived: 8 });
  });

  test('close: closing at once without an event, closed by the transport; then nothing more', () => {
    const { channel, slots, transport, log } = open();
    channel.close();
    expect([channel.readyState, transport.closed]).toEqual(['closing', true]);
    slots.handleEvent({ type: 'message', data: 'late', ...HANDLE });
    slots.handleEvent({ type: 'closed', ...HANDLE });
    slots.handleEvent({ type: 'closed', ...HANDLE });
    channel.close();
    expect(channel.readyState).toBe('closed');
    expect(log).toEqual(['open', 'close']);
  });

  test('closed by the peer: closing, then close', () => {
    const { channel, slots, log } = open();
    slots.handleEvent({ type: 'closing', ...HANDLE });
    expect(channel.readyState).toBe('closing');
    slots.handleEvent({ type: 'closed', ...HANDLE });
    expect(log).toEqual(['open', 'closing', 'close']);
  });

  test('closed by an SCTP abort: error with the cause, then close; bufferedAmount stays', () => {
    const { channel, slots, log } = open();
    let error: RTCErrorEvent['error'] | undefined;
    channel.onerror = (event) => (error = event.error);
    channel.send('abc');
    slots.handleEvent({ type: 'closed', error: { message: 'bye', sctpCauseCode: 12 }, ...HANDLE });
    expect(error).toMatchObject({ errorDetail: 'sctp-failure', sctpCauseCode: 12, message: 'bye' });
    expect(log).toEqual(['open', 'error', 'close']);
    expect(channel.bufferedAmount).toBe(3);
  });

  test('closed by a transport without a cause code: sctp-failure once it was open, data-channel-failure before', () => {
    const details = [connecting(), open()].map(({ channel, slots }) => {
      let detail: string | undefined;
      channel.onerror = ({ error }) => (detail = error.errorDetail);
      slots.handleEvent({ type: 'closed', error: { message: 'gone' }, ...HANDLE });
      return detail;
    });
    expect(details).toEqual(['data-channel-failure', 'sctp-failure']);
  });

  test('closed before it had a transport: close fires in a task', async () => {
    const { channel, log } = connecting();
    channel.close();
    expect(channel.readyState).toBe('closing');
    await Promise.resolve();
    await Promise.resolve();
    expect([channel.readyState, ...log]).toEqual(['closed', 'close']);
  });

  test('closed with the connection: at once, without events', () => {
    let forgotten = 0;
    const { channel, slots, log } = open({ onClosed: () => forgotten++ });
    slots.closeAbruptly();
    slots.handleEvent({ type: 'closed', ...HANDLE });
    expect([channel.readyState, forgotten, ...log]).toEqual(['closed', 1, 'open']);
  });

  test('a channel that the peer opened can send before its open event', () => {
    const { channel, slots, transport, log } = connecting();
    slots.attach(transport);
    slots.readyState = 'open';
    channel.send('early');
    slots.handleEvent({ type: 'open', ...HANDLE });
    expect([...transport.sent, ...log]).toEqual(['early', 'open']);
  });
});

describe('additions: streams and drained()', () => {
  test('drained resolves at the threshold, at once when nothing is buffered', async () => {
    const { channel, drain } = open();
    await channel.drained();
    channel.send('abc');
    let done = false;
    const drained = channel.drained().then(() => (done = true));
    await Promise.resolve();
    expect(done).toBe(false);
    drain();
    await drained;
  });

  test('drained rejects when the channel closes first', async () => {
    const { channel, slots } = open();
    channel.send('abc');
    const drained = channel.drained();
    slots.handleEvent({ type: 'closed', ...HANDLE });
    await expect(drained).rejects.toMatchObject({ name: 'InvalidStateError' });
  });

  test('readable gives messages in order, holds the peer back while nobody reads, and ends with the channel', async () => {
    const { channel, slots, transport } = open();
    const reader = channel.readable.getReader();
    for (let i = 0; i < 16; i++) slots.handleEvent({ type: 'message', data: `m${i}`, ...HANDLE });
    expect(transport.paused).toBe(true);
    expect(await reader.read()).toEqual({ done: false, value: 'm0' });
    expect(transport.paused).toBe(false);
    for (let i = 1; i < 16; i++) expect((await reader.read()).value).toBe(`m${i}`);
    slots.handleEvent({ type: 'closed', ...HANDLE });
    expect((await reader.read()).done).toBe(true);
  });

  test('writable waits for the channel to open, and while more than 1 MiB is buffered', async () => {
    const { channel, slots, transport, drain } = connecting({ limits: () => ({ maxMessageSize: 4e6, maxBufferSize: 8e6 }) });
    const writer = channel.writable.getWriter();
    const first = writer.write(new Uint8Array(2_000_000));
    const second = writer.write('second');
    slots.attach(transport);
    await Promise.resolve();
    expect(transport.sent).toEqual([]);
    slots.handleEvent({ type: 'open', ...HANDLE });
    await first;
    await new Promise((resolve) => setImmediate(resolve));
    expect(transport.sent).toHaveLength(1);
    drain();
    await second;
    await writer.close();
    expect([transport.sent[1], transport.closed]).toEqual(['second', true]);
  });

  test('a writer hears that the channel has closed', async () => {
    const { channel, slots } = open();
    const writer = channel.writable.getWriter();
    const closed = writer.closed.catch((error: DOMException) => error.name);
    await writer.ready;
    slots.handleEvent({ type: 'closed', ...HANDLE });
    expect(await closed).toBe('InvalidStateError');
  });
});
