import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ConnectionProcess } from './connection-process.ts';
import type { Source } from './source.ts';

const MAX_CONNECTIONS = 32;
const MAX_OFFER = 256 * 1024;
/** How long the feed of a connection that has ended can still be read, in milliseconds. */
const REMEMBER = 60_000;

const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/page.js.map': ['page.js.map', 'application/json'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/favicon.svg': ['favicon.svg', 'image/svg+xml'],
};

/**
 * The page, and signalling in plain HTTP:
 *
 *     POST   /connections               an SDP offer; the answer comes back, and Location names the connection
 *     GET    /connections/{id}/feed     the server's side of the wire, as server-sent events
 *     DELETE /connections/{id}          the server closes the connection
 *     POST   /connections/{id}/kill     the connection's process dies without a goodbye
 *     GET    /clock                     the server's time, in milliseconds since the Unix epoch
 */
export class WebServer {
  readonly #source: Source;
  readonly #pages: URL;
  readonly #script: URL;
  readonly #onEnd: (connection: ConnectionProcess) => void;
  readonly #connections = new Map<string, ConnectionProcess>();
  readonly #http: Server;
  #live = 0;

  constructor(options: { source: Source; pages: URL; script: URL; onEnd: (connection: ConnectionProcess) => void }) {
    this.#source = options.source;
    this.#pages = options.pages;
    this.#script = options.script;
    this.#onEnd = options.onEnd;
    this.#http = createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => {
        if (!response.headersSent) reply(response, 500, `${String(error)}\n`);
        else response.destroy();
      });
    });
  }

  /** @returns the port, also when 0 was asked for. Rejects with the operating system's error. */
  listen(port: number, host: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen(port, host, () => {
        const address = this.#http.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Every page hears that the server stops. */
  async close(reason: string, patience: number): Promise<void> {
    this.#http.close();
    const open = [...this.#connections.values()];
    for (const connection of open) connection.close(reason);
    await Promise.race([Promise.all(open.map(({ exited }) => exited)), new Promise((resolve) => setTimeout(resolve, patience))]);
    this.#http.closeAllConnections();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const route = `${request.method} ${pathname.replace(/^\/connections\/[\w-]+/, '/connections/*')}`;
    if (route === 'POST /connections') return this.#connect(request, response);
    if (route === 'GET /clock') return reply(response, 200, String(performance.timeOrigin + performance.now()));
    const file = FILES[pathname];
    if (file !== undefined && (request.method === 'GET' || request.method === 'HEAD')) return this.#sendFile(response, file);
    const connection = this.#connections.get(pathname.split('/')[2] ?? '');
    if (connection === undefined) return reply(response, 404, 'there is nothing here\n');
    switch (route) {
      case 'GET /connections/*/feed':
        return sendFeed(connection, request, response);
      case 'DELETE /connections/*':
        connection.close('the server says goodbye');
        return reply(response, 204);
      case 'POST /connections/*/kill':
        connection.kill();
        return reply(response, 204);
      default:
        return reply(response, 405, 'there is no such method\n');
    }
  }

  async #connect(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers['content-type'] !== 'application/sdp') return reply(response, 415, 'an offer is application/sdp\n');
    if (this.#live >= MAX_CONNECTIONS) return reply(response, 503, `${MAX_CONNECTIONS} connections are open: that is all\n`);
    const offer = await text(request, MAX_OFFER);
    if (offer === undefined) return reply(response, 413, 'the offer is too long\n');
    const connection = this.#startConnection();
    try {
      const answer = await connection.answer(offer, this.#source.tracks);
      response.setHeader('Location', `/connections/${connection.id}`);
      reply(response, 201, answer, 'application/sdp');
    } catch (error) {
      connection.kill();
      reply(response, 400, `${error instanceof Error ? error.message : String(error)}\n`);
    }
  }

  #startConnection(): ConnectionProcess {
    this.#live++;
    const connection = new ConnectionProcess({
      script: this.#script,
      onKeyFrameRequest: () => this.#source.requestKeyFrame(),
      onExit: (ended) => {
        this.#live--;
        setTimeout(() => this.#connections.delete(ended.id), REMEMBER).unref();
        this.#onEnd(ended);
      },
    });
    this.#connections.set(connection.id, connection);
    return connection;
  }

  sendPacket(kind: 'audio' | 'video', packet: Uint8Array): void {
    for (const connection of this.#connections.values()) connection.sendPacket(kind, packet);
  }

  async #sendFile(response: ServerResponse, [file, type]: readonly [string, string]): Promise<void> {
    const body = await readFile(new URL(file, this.#pages));
    response.setHeader('Content-Security-Policy', "default-src 'self'; media-src 'self' blob: mediastream:");
    reply(response, 200, body, type);
  }
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html: the id lets a reader go on where it was interrupted. */
function sendFeed({ feed }: ConnectionProcess, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  response.flushHeaders();
  const last = Number(request.headers['last-event-id'] ?? -1);
  const stop = feed.follow(Number.isInteger(last) ? last + 1 : 0, (entry, number) => {
    response.write(`id: ${number}\ndata: ${JSON.stringify(entry)}\n\n`);
  });
  response.on('close', stop);
}

function reply(response: ServerResponse, status: number, body: string | Uint8Array = '', type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(body);
}

/** @returns undefined when there is more than `limit` bytes. */
async function text(request: IncomingMessage, limit: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
