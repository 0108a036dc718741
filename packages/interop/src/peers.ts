import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Everything that the tests here talk to, and how a Debian machine gets it (`.ci/run` installs all of it). */
const PEERS = {
  chromium: { commands: ['chromium', 'chromium-browser', 'google-chrome'], install: 'apt-get install chromium' },
  firefox: { commands: ['firefox-esr', 'firefox'], install: 'apt-get install firefox-esr' },
  ffmpeg: { commands: ['ffmpeg'], install: 'apt-get install ffmpeg' },
  coturn: { commands: ['turnserver'], install: 'apt-get install coturn' },
  openssl: { commands: ['openssl'], install: 'apt-get install openssl' },
  gnutls: { commands: ['gnutls-cli'], install: 'apt-get install gnutls-bin' },
  gcc: { commands: ['gcc', 'cc'], install: 'apt-get install gcc libc6-dev' },
  aiortc: { python: 'aiortc', install: 'apt-get install python3-aiortc' },
} as const;

export type PeerName = keyof typeof PEERS;

/** Path of a peer's program (for aiortc: of Python), or undefined when it is not on this machine. */
export function findPeer(name: PeerName): string | undefined {
  const peer = PEERS[name];
  if ('commands' in peer) return findCommand(peer.commands);
  const python = findCommand(['python3']);
  return python !== undefined && spawnSync(python, ['-c', `import ${peer.python}`]).status === 0 ? python : undefined;
}

/** The command that installs a peer. */
export function installCommand(name: PeerName): string {
  return PEERS[name].install;
}

function findCommand(commands: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return commands.flatMap((command) => folders.map((folder) => join(folder, command))).find((path) => existsSync(path));
}
