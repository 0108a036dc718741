import { parseArgs } from 'node:util';

export const HELP: string = `Streams video and audio to every page that connects, and shows how a connection lives and ends.

  npm start                                  the clip in this repository: nothing else is needed
  npm start -- --source ffmpeg               ffmpeg's test pattern and tone, encoded now
  npm start -- --source rtp                  RTP from anyone, on two UDP ports

Options
  --source clip | ffmpeg | rtp   where video and audio come from (clip)
  --codec vp8 | h264             the video codec, with ffmpeg and rtp (vp8)
  --video-port <port>            where video arrives, with rtp (5004)
  --audio-port <port>            where audio arrives, with rtp (5006)
  --help                         this text

Environment
  PORT                           of the web page (8080)
  HOST                           address of the web page (127.0.0.1; 0.0.0.0 to let others in)
`;

export type SourceName = 'clip' | 'ffmpeg' | 'rtp';
export type VideoCodec = 'vp8' | 'h264';

export interface Options {
  readonly help: boolean;
  readonly source: SourceName;
  readonly codec: VideoCodec;
  readonly videoPort: number;
  readonly audioPort: number;
  readonly host: string;
  readonly port: number;
}

/** @throws OptionError with a sentence for the user. */
export function parseOptions(args: readonly string[], environment: Readonly<Record<string, string | undefined>>): Options {
  const values = parse(args);
  const source = oneOf('--source', values.source ?? 'clip', ['clip', 'ffmpeg', 'rtp']);
  if (source === 'clip' && values.codec !== undefined)
    throw new OptionError('--codec needs --source ffmpeg or --source rtp: the clip is VP8');
  if (source !== 'rtp' && (values['video-port'] ?? values['audio-port']) !== undefined)
    throw new OptionError('--video-port and --audio-port need --source rtp');
  const options: Options = {
    help: values.help ?? false,
    source,
    codec: oneOf('--codec', values.codec ?? 'vp8', ['vp8', 'h264']),
    videoPort: port('--video-port', values['video-port'] ?? '5004'),
    audioPort: port('--audio-port', values['audio-port'] ?? '5006'),
    host: environment['HOST'] || '127.0.0.1',
    port: port('PORT', environment['PORT'] || '8080', 0),
  };
  if (options.videoPort === options.audioPort) throw new OptionError('--video-port and --audio-port must differ');
  return options;
}

export class OptionError extends Error {
  override readonly name = 'OptionError';
}

function parse(args: readonly string[]): { help?: boolean; source?: string; codec?: string; 'video-port'?: string; 'audio-port'?: string } {
  try {
    return parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', short: 'h' },
        source: { type: 'string' },
        codec: { type: 'string' },
        'video-port': { type: 'string' },
        'audio-port': { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : String(error));
  }
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === value);
  if (found === undefined) throw new OptionError(`${name} is ${allowed.join(' or ')}, not "${value}"`);
  return found;
}

function port(name: string, value: string, lowest = 1): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < lowest || number > 65535) throw new OptionError(`${name} is a port number, not "${value}"`);
  return number;
}
