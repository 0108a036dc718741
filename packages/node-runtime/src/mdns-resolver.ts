/**
 * Resolves the `.local` names of peers' candidates by multicast DNS (RFC 6762; draft-ietf-mmusic-mdns-ice-candidates §3.2).
 *
 * Two kinds of responders have to be reached: those that answer a one-shot query from any port by unicast (RFC 6762 §5.1, §6.7), and those
 * that only ever answer to the multicast group, as browsers do. So the question goes out from an ephemeral port and, where it can be
 * shared with the system's own responder, from port 5353, which also hears the group.
 */
import { createSocket, type Socket } from 'node:dgram';
import { decodeResponse, encodeQuery } from './mdns-message.ts';
import { joinGroup, MDNS_PORT, multicast } from './mdns-sockets.ts';
import type { OpenHandle, OpenHandles } from './open-handles.ts';

/** When the question is asked, in milliseconds (RFC 6762 §5.2: at least a second apart, growing). */
const SCHEDULE = [0, 1000, 3000] as const;
const TIMEOUT = 5000;
/** Names come from a peer's candidates: more at once than any peer needs are refused. */
const MAX_PENDING = 64;
const NO_ANSWER: Promise<readonly string[]> = Promise.resolve([]);

interface Question {
  answer: Promise<readonly string[]>;
  readonly succeed: (addresses: readonly string[]) => void;
  readonly timers: readonly NodeJS.Timeout[];
}

/** Whether a name is to be asked for by multicast: `.local` with one label before it (draft §3.2.1). */
export function isMulticastName(hostname: string): boolean {
  return /^[^.]{1,63}\.local$/i.test(hostname);
}

/** Sockets exist only while a question is open. They do not keep the process alive: a connection that needs the answer does. */
export class MdnsResolver {
  readonly #handles: OpenHandles;
  readonly #port: number;
  readonly #questions = new Map<string, Question>();
  #sockets: Socket[] = [];
  #handle: OpenHandle | undefined;

  /** @param port another one for tests */
  constructor(handles: OpenHandles, port: number = MDNS_PORT) {
    this.#handles = handles;
    this.#port = port;
  }

  /** The addresses in the first answer. Rejects after five seconds, with code ENOTFOUND. */
  resolve(hostname: string): Promise<readonly string[]> {
    const name = hostname.toLowerCase();
    const open = this.#questions.get(name);
    if (open) return open.answer;
    if (this.#questions.size >= MAX_PENDING) return Promise.reject(notFound(name, 'too many multicast questions at once'));
    const query = encodeQuery(name);
    const answer = new Promise<readonly string[]>((succeed, fail) => {
      const timers = SCHEDULE.map((delay) => setTimeout(() => this.#ask(query), delay).unref());
      timers.push(
        setTimeout(() => {
          this.#end(name);
          fail(notFound(name, 'no answer to the multicast question'));
        }, TIMEOUT).unref(),
      );
      this.#questions.set(name, { answer: NO_ANSWER, succeed, timers });
    });
    this.#questions.get(name)!.answer = answer;
    if (this.#sockets.length === 0) this.#openSockets();
    return answer;
  }

  #ask(query: Uint8Array): void {
    for (const socket of this.#sockets) multicast(socket, query, this.#port);
  }

  #end(name: string): void {
    for (const timer of this.#questions.get(name)?.timers ?? []) clearTimeout(timer);
    this.#questions.delete(name);
    if (this.#questions.size === 0) this.#closeSockets();
  }

  #openSockets(): void {
    this.#handle = this.#handles.open('mdns');
    for (const port of [0, this.#port]) {
      const socket = createSocket({
        type: 'udp4',
        reuseAddr: port !== 0,
        lookup: (literal, _options, callback) => callback(null, literal, 4),
      });
      this.#sockets.push(socket);
      socket.unref();
      socket.on('error', () => this.#drop(socket)); // port 5353 is not to be shared: the other socket is enough for most
      socket.on('message', (message, remote) => this.#receive(message, remote.port));
      socket.bind({ port, exclusive: true }, () => {
        socket.setMulticastTTL(255); // RFC 6762 §11
        if (port !== 0) joinGroup(socket);
      });
    }
  }

  #receive(message: Uint8Array, sourcePort: number): void {
    if (sourcePort !== this.#port) return; // RFC 6762 §6: responses come from port 5353
    const answers = new Map<string, Set<string>>();
    for (const { name, address } of decodeResponse(message))
      if (this.#questions.has(name)) answers.set(name, (answers.get(name) ?? new Set()).add(address));
    for (const [name, addresses] of answers) {
      this.#questions.get(name)?.succeed([...addresses]);
      this.#end(name);
    }
  }

  #drop(socket: Socket): void {
    this.#sockets = this.#sockets.filter((other) => other !== socket);
    closeQuietly(socket);
  }

  #closeSockets(): void {
    for (const socket of this.#sockets) closeQuietly(socket);
    this.#sockets = [];
    this.#handle?.close();
  }
}

function closeQuietly(socket: Socket): void {
  try {
    socket.close();
  } catch {
    // It was never bound.
  }
}

function notFound(name: string, message: string): Error {
  return Object.assign(new Error(`${name}: ${message}`), { code: 'ENOTFOUND' });
}
