/** What tests send over data channels, in terms of the W3C's API only: the same code runs on both sides, in pages, in processes with other stacks, and with ours. */

/** The part of RTCDataChannel that is used: that of the DOM and ours fit. */
export interface Channel {
  readonly readyState: string;
  readonly bufferedAmount: number;
  binaryType: string;
  send(data: string): void;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(): void;
  addEventListener(type: string, listener: (event: { readonly data?: unknown }) => void): void;
  removeEventListener(type: string, listener: (event: { readonly data?: unknown }) => void): void;
}

export interface Connection {
  createDataChannel(label: string, options?: { ordered?: boolean; maxRetransmits?: number; maxPacketLifeTime?: number }): Channel;
  addEventListener(type: 'datachannel', listener: (event: { readonly channel: Channel }) => void): void;
}

export interface ChannelCounts {
  opened: number;
  messages: number;
  closed: number;
}

const HIGH_WATER = 1_048_576;
const LOW_WATER = 262_144;

/** Sends `length` bytes that nothing can guess, in messages of `size`. @returns their SHA-256 */
export async function sendBulk(channel: Channel, length: number, size: number): Promise<string> {
  const bytes = pseudorandomBytes(length);
  for (let offset = 0; offset < length; offset += size) {
    if (channel.bufferedAmount > HIGH_WATER) await drained(channel);
    channel.send(bytes.subarray(offset, Math.min(offset + size, length)));
  }
  return await sha256(bytes);
}

/** Begins to receive at once. @returns the SHA-256 of the next `length` bytes, whatever messages they come in */
export async function receiveBulk(channel: Channel, length: number): Promise<string> {
  const bytes = new Uint8Array(length);
  let received = 0;
  await new Promise<void>((resolve, reject) => {
    const onMessage = ({ data }: { readonly data?: unknown }): void => {
      const message = new Uint8Array(data as ArrayBuffer);
      if (received + message.length > length) return reject(new Error(`more than ${length} bytes`));
      bytes.set(message, received);
      received += message.length;
      if (received < length) return;
      channel.removeEventListener('message', onMessage);
      resolve();
    };
    channel.addEventListener('message', onMessage);
    channel.addEventListener('close', () => reject(new Error(`closed after ${received} of ${length} bytes`)));
  });
  return await sha256(bytes);
}

/** Sends so many short strings. */
export async function sendMany(channel: Channel, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    if (channel.bufferedAmount > HIGH_WATER) await drained(channel);
    channel.send(shortMessage(i));
  }
}

/** Begins to receive at once. @returns how many of the strings of {@link sendMany} came, and how many were not the one that was due */
export async function receiveMany(channel: Channel, count: number): Promise<{ readonly received: number; readonly wrong: number }> {
  let received = 0;
  let wrong = 0;
  await new Promise<void>((resolve) => {
    const onMessage = ({ data }: { readonly data?: unknown }): void => {
      if (data !== shortMessage(received++)) wrong++;
      if (received < count) return;
      channel.removeEventListener('message', onMessage);
      resolve();
    };
    channel.addEventListener('message', onMessage);
    channel.addEventListener('close', () => resolve());
  });
  return { received, wrong };
}

/** Opens channels, some at a time, says one thing on each, hears it back, closes it. @returns how many have closed */
export async function openAndClose(pc: Connection, count: number, atOnce: number = 25): Promise<number> {
  let next = 0;
  let closed = 0;
  const one = async (): Promise<void> => {
    while (next < count) {
      const channel = pc.createDataChannel(`channel ${next++}`);
      // One stack makes channels that are open already.
      if (channel.readyState !== 'open') await new Promise<void>((resolve) => channel.addEventListener('open', () => resolve()));
      const answered = new Promise<void>((resolve) => channel.addEventListener('message', () => resolve()));
      channel.send('hello');
      await answered;
      await new Promise<void>((resolve) => {
        channel.addEventListener('close', () => resolve());
        channel.close();
      });
      closed++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return closed;
}

/** The other side of {@link openAndClose}: echoes, and counts. */
export function answerChannels(pc: Connection): ChannelCounts {
  const counts: ChannelCounts = { opened: 0, messages: 0, closed: 0 };
  pc.addEventListener('datachannel', ({ channel }) => {
    counts.opened++;
    channel.addEventListener('message', ({ data }) => {
      counts.messages++;
      channel.send(data as string);
    });
    channel.addEventListener('close', () => counts.closed++);
  });
  return counts;
}

/** Sends so many numbered messages, a few at a time, so that losses and not buffers decide what arrives. */
export async function sendPaced(channel: Channel, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    channel.send(shortMessage(i));
    if (i % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

interface Outcome {
  readonly value?: unknown;
  readonly error?: string;
}

let latest: Outcome | undefined;

/** Keeps what the promise gives for {@link outcome}: the caller can go on once the other side has begun. */
export function begin(promise: Promise<unknown>): void {
  latest = undefined;
  promise.then(
    (value) => (latest = { value }),
    (error: unknown) => (latest = { error: String(error) }),
  );
}

/** Of the last {@link begin}; undefined while it is not known. */
export function outcome(): Outcome | undefined {
  return latest;
}

/** Asks: one of the stacks does not always have the event. */
async function drained(channel: Channel): Promise<void> {
  while (channel.bufferedAmount > LOW_WATER) {
    if (channel.readyState !== 'open') throw new Error(`the channel is ${channel.readyState}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function shortMessage(index: number): string {
  return `${index} `.padEnd(10 + (index % 90), 'x');
}

/** Xorshift, four bytes a step. */
function pseudorandomBytes(length: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array((length + 3) >> 2);
  let state = 0x2545_f491;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
