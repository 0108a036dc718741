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
  wrtc: { module: '@roamhq/wrtc', install: 'node scripts/install-peers.mjs' },
  'node-datachannel': { module: 'node-datachannel', install: 'node scripts/install-peers.mjs' },
  // No peer, but the system has to permit it: user namespaces.
  'virtual interfaces': { namespace: 'unshare', install: 'apt-get install iproute2 util-linux' },
} as const;

export type PeerName = keyof typeof PEERS;

/** Of `unshare`: a network namespace of our own, and whatever is started in it ends with it. */
export const NAMESPACE = ['-rn', '--kill-child=SIGKILL'] as const;

/** Path of a peer's program (for aiortc: of Python, for npm packages: of their folder), or undefined when it is not on this machine. */
export function findPeer(name: PeerName): string | undefined {
  const peer = PEERS[name];
  if ('commands' in peer) return findCommand(peer.commands);
  if ('module' in peer) {
    const folder = join(__dirname, '../../../.cache/peers/node_modules', peer.module);
    return existsSync(folder) ? folder : undefined;
  }
  if ('namespace' in peer) return canMakeInterfaces(peer.namespace) ? peer.namespace : undefined;
  // Debian's packages are Debian's Python's, whichever comes first.
  const pythons = ['/usr/bin/python3', findCommand(['python3'])].filter((path) => path !== undefined);
  return pythons.find((python) => spawnSync(python, ['-c', `import ${peer.python}`]).status === 0);
}

function canMakeInterfaces(unshare: string): boolean {
  const command = ['ip', 'link', 'add', 'veth1', 'type', 'veth', 'peer', 'name', 'veth2'];
  return spawnSync(unshare, [...NAMESPACE, ...command]).status === 0;
}

/** The command that installs a peer. */
export function installCommand(name: PeerName): string {
  return PEERS[name].install;
}

function findCommand(commands: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return commands.flatMap((command) => folders.map((folder) => join(folder, command))).find((path) => existsSync(path));
}
