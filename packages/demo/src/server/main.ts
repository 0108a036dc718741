import { ClipSource } from './clip-source.ts';
import type { ConnectionProcess } from './connection-process.ts';
import { FfmpegSource } from './ffmpeg-source.ts';
import { closingLadder } from '../ladder.ts';
import { HELP, OptionError, type Options, parseOptions } from './options.ts';
import { RtpPortSource } from './rtp-source.ts';
import { type Source, SourceError } from './source.ts';
import { WebServer } from './web-server.ts';

/** How long a stopping server waits for its connections to say goodbye, in milliseconds. */
const GOODBYE_TIME = 500;

try {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options.help) process.stdout.write(HELP);
  else await serve(options);
} catch (error) {
  fail(error);
}

async function serve(options: Options): Promise<void> {
  const source = createSource(options);
  const server = new WebServer({
    source,
    pages: new URL('./page/', import.meta.url),
    script: new URL('./connection.mjs', import.meta.url),
    onEnd: printEnd,
  });
  const port = await server.listen(options.port, options.host);
  await source.start((kind, packet) => server.sendPacket(kind, packet));
  console.log(`${source.description}\n\nhttp://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`);
  let stopping: Promise<void> | undefined;
  // A terminal's Ctrl-C comes twice: from the terminal, and from npm start.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (stopping ??= stop(server, source)));
}

function createSource(options: Options): Source {
  switch (options.source) {
    case 'clip':
      return new ClipSource(new URL('./media/', import.meta.url));
    case 'ffmpeg':
      return new FfmpegSource(options.codec, fail);
    case 'rtp':
      return new RtpPortSource(options.codec, { video: options.videoPort, audio: options.audioPort });
  }
}

function printEnd({ feed, pid }: ConnectionProcess): void {
  console.log([`\nThe end of the connection in process ${pid}`, ...closingLadder(feed.entries)].join('\n'));
}

async function stop(server: WebServer, source: Source): Promise<void> {
  source.stop();
  await server.close('the server stops', GOODBYE_TIME);
  process.exit();
}

function fail(error: unknown): void {
  console.error(explain(error));
  process.exit(1);
}

function explain(error: unknown): string {
  if (error instanceof OptionError) return `${error.message}\n"npm start -- --help" lists what there is.`;
  if (error instanceof SourceError) return error.message;
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return 'The port is in use: set another one with PORT=8081 npm start';
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return 'HOST is not an address of this machine.';
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
