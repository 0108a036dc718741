import { describe, expect, test } from '@jest/globals';
import { HELP, OptionError, parseOptions } from '../src/server/options.ts';

describe('options', () => {
  test('without any: the clip, on port 8080 of the loopback interface', () => {
    expect(parseOptions([], {})).toEqual({
      help: false,
      source: 'clip',
      codec: 'vp8',
      videoPort: 5004,
      audioPort: 5006,
      host: '127.0.0.1',
      port: 8080,
    });
  });

  test('PORT and HOST come from the environment; empty is absent', () => {
    expect(parseOptions([], { PORT: '0', HOST: '::1' })).toMatchObject({ port: 0, host: '::1' });
    expect(parseOptions([], { PORT: '', HOST: '' })).toMatchObject({ port: 8080, host: '127.0.0.1' });
  });

  test('sources and their settings', () => {
    expect(parseOptions(['--source', 'ffmpeg', '--codec', 'h264'], {})).toMatchObject({ source: 'ffmpeg', codec: 'h264' });
    expect(parseOptions(['--source=rtp', '--video-port=6000', '--audio-port=6002'], {})).toMatchObject({
      videoPort: 6000,
      audioPort: 6002,
    });
    expect(parseOptions(['-h'], {}).help).toBe(true);
  });

  test.each([
    [['--source', 'webcam'], {}, '--source is clip or ffmpeg or rtp, not "webcam"'],
    [['--source', 'ffmpeg', '--codec', 'av1'], {}, '--codec is vp8 or h264, not "av1"'],
    [['--codec', 'h264'], {}, '--codec needs --source'],
    [['--video-port', '5004'], {}, 'need --source rtp'],
    [['--source', 'rtp', '--video-port', '70000'], {}, '--video-port is a port number, not "70000"'],
    [['--source', 'rtp', '--video-port', '5006'], {}, 'must differ'],
    [[], { PORT: 'eighty' }, 'PORT is a port number, not "eighty"'],
    [['--sourec', 'rtp'], {}, "Unknown option '--sourec'"],
    [['clip'], {}, "Unexpected argument 'clip'"],
  ])('%j %j: says what is wrong', (args, environment, message) => {
    expect(() => parseOptions(args, environment)).toThrow(OptionError);
    expect(() => parseOptions(args, environment)).toThrow(message);
  });

  test('the help names every option', () => {
    for (const name of ['--source', '--codec', '--video-port', '--audio-port', '--help', 'PORT', 'HOST']) expect(HELP).toContain(name);
  });
});
