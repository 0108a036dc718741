import { createSocket, type Socket } from 'node:dgram';

interface Address {
  readonly address: string;
  readonly port: number;
}

export interface RelayStatistics {
  forwarded: number;
  lost: number;
}

/**
 * A UDP path between a browser and us that loses datagrams, in both directions, when told to. Each side gets the relay's address
 * in place of the other's candidates.
 */
export class LossyRelay {
  /** Probability that a datagram is lost, 0 to 1. */
  loss = 0;
  readonly statistics: RelayStatistics = { forwarded: 0, lost: 0 };
  readonly #random: () => number;
  readonly #browserSide: Socket;
  readonly #ourSide: Socket;
  #browser: Address | undefined;
  #us: Address | undefined;

  private constructor(random: () => number, browserSide: Socket, ourSide: Socket) {
    this.#random = random;
    this.#browserSide = browserSide;
    this.#ourSide = ourSide;
    browserSide.on('message', (datagram, from) => {
      this.#browser = from;
      this.#forward(datagram, this.#ourSide, this.#us);
    });
    ourSide.on('message', (datagram, from) => {
      this.#us = from;
      this.#forward(datagram, this.#browserSide, this.#browser);
    });
  }

  /** @param address of an interface that both sides use */
  static async open(address: string, random: () => number): Promise<LossyRelay> {
    const sockets = [createSocket('udp4'), createSocket('udp4')] as const;
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.bind(0, address, resolve))));
    return new LossyRelay(random, ...sockets);
  }

  /** Our description as the browser is to see it. */
  forBrowser(sdp: string): string {
    this.#us = firstCandidate(sdp);
    return withCandidate(sdp, this.#browserSide.address());
  }

  /** The browser's description as we are to see it. */
  forUs(sdp: string): string {
    return withCandidate(sdp, this.#ourSide.address());
  }

  close(): void {
    this.#browserSide.close();
    this.#ourSide.close();
  }

  #forward(datagram: Uint8Array, socket: Socket, to: Address | undefined): void {
    if (to === undefined) return;
    if (this.#random() < this.loss) this.statistics.lost++;
    else {
      this.statistics.forwarded++;
      socket.send(datagram, to.port, to.address);
    }
  }
}

/** The IPv4 host candidate over UDP. */
function firstCandidate(sdp: string): Address {
  const match = /^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host/im.exec(sdp);
  if (match === null) throw new Error('the description has no IPv4 host candidate');
  return { address: match[1]!, port: Number(match[2]) };
}

/** Only this candidate, in the first media section: with BUNDLE it serves all. */
function withCandidate(sdp: string, { address, port }: Address): string {
  const lines = sdp.split('\r\n').filter((line) => !/^a=(?:candidate:|end-of-candidates)/.test(line));
  const connection = lines.findIndex((line, index) => line.startsWith('c=') && index > lines.findIndex((each) => each.startsWith('m=')));
  lines.splice(connection + 1, 0, `a=candidate:1 1 udp 2130706431 ${address} ${port} typ host`, 'a=end-of-candidates');
  return lines.join('\r\n');
}
