/**
 * Answers multicast questions for names that stand for own addresses (RFC 6762 §6; draft-ietf-mmusic-mdns-ice-candidates §3.1.1). The names are random,
 * so that nothing is probed for; each is announced once.
 */
import { createSocket, type Socket } from 'node:dgram';
import type { Advertisement } from '@petrel/peer-connection';
import { decodeQuestion, encodeAnswer } from './mdns-message.ts';
import { joinGroup, MDNS_PORT, multicast } from './mdns-sockets.ts';
import type { OpenHandle, OpenHandles } from './open-handles.ts';

/** Answers in one second, at most. */
const MAX_ANSWERS = 50;

/** Who asks for a name all the time is not answered all the time. */
export class AnswerBudget {
  #second = -1;
  #answers = 0;

  /** @param now in milliseconds @returns whether one more answer may be given */
  take(now: number): boolean {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#answers = 0;
    }
    return ++this.#answers <= MAX_ANSWERS;
  }
}

/** The socket exists while there are names. It does not keep the process alive. */
export class MdnsResponder {
  readonly #handles: OpenHandles;
  readonly #port: number;
  readonly #names = new Map<string, string>();
  #socket: Socket | undefined;
  #handle: OpenHandle | undefined;
  readonly #budget = new AnswerBudget();

  /** @param port another one for tests */
  constructor(handles: OpenHandles, port: number = MDNS_PORT) {
    this.#handles = handles;
    this.#port = port;
  }

  advertise(hostname: string, address: string): Advertisement {
    const name = hostname.toLowerCase();
    this.#names.set(name, address);
    const socket = this.#socket ?? this.#open();
    const announcement = encodeAnswer(name, address);
    this.#whenBound(socket, () => multicast(socket, announcement, this.#port));
    return { close: () => this.#withdraw(name) };
  }

  #withdraw(name: string): void {
    if (!this.#names.delete(name) || this.#names.size > 0) return;
    this.#drop();
  }

  #open(): Socket {
    const socket = createSocket({
      type: 'udp4',
      reuseAddr: true,
      lookup: (literal, _options, callback) => callback(null, literal, 4),
    });
    this.#handle = this.#handles.open('mdns responder');
    this.#socket = socket;
    socket.unref();
    socket.on('error', () => this.#drop()); // the port is not to be shared: peers learn the address from checks
    socket.on('message', (message, { address, port }) => this.#receive(message, address, port));
    socket.bind({ port: this.#port, exclusive: true }, () => {
      socket.setMulticastTTL(255); // RFC 6762 §11
      joinGroup(socket);
    });
    return socket;
  }

  #whenBound(socket: Socket, run: () => void): void {
    const isBound = (): boolean => {
      try {
        return socket.address().port > 0;
      } catch {
        return false;
      }
    };
    if (isBound()) run();
    else socket.once('listening', run);
  }

  #receive(message: Uint8Array, address: string, port: number): void {
    const question = decodeQuestion(message);
    for (const name of question?.names ?? []) {
      const own = this.#names.get(name);
      if (own === undefined || !this.#budget.take(performance.now())) continue;
      // RFC 6762 §6.7: who asks from another port gets the answer there, with its question's identifier.
      if (port !== this.#port) this.#socket?.send(encodeAnswer(name, own, question!.id), port, address);
      else if (this.#socket) multicast(this.#socket, encodeAnswer(name, own), this.#port);
    }
  }

  #drop(): void {
    try {
      this.#socket?.close();
    } catch {
      // It was never bound.
    }
    this.#socket = undefined;
    this.#handle?.close();
  }
}
