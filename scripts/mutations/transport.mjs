// Where packets go: the mux, the transport stack, the close.

/** One port for many connections: what strangers cannot do there, and what is bounded. */
const mux = (name, file, find, replace, test, only) => ({
  name: `mux: ${name}`,
  file: `peer-connection/src/${file}.ts`,
  find,
  replace,
  test: `peer-connection/test/${test}.test.ts`,
  only,
});
const ports = [
  mux(
    'a path only for who has authenticated itself',
    'mux/udp-mux',
    '|| !member.owner.receive(socket, data, address, port) ||',
    '|| (member.owner.receive(socket, data, address, port), false) ||',
    'udp-mux',
    'not authentic',
  ),
  mux(
    'authentication is the agent’s word',
    'transport-sockets',
    'return ice.isAuthenticated(ids[index]!, address, port);',
    'return true;',
    'mux',
    'I02: a check with the right fragment',
  ),
  mux('paths of a member', 'mux/udp-mux', 'const MAX_PATHS = 64;', 'const MAX_PATHS = 1e6;', 'udp-mux', 'of one member'),
  mux(
    'transactions of a member',
    'mux/udp-mux',
    'const MAX_TRANSACTIONS = 256;',
    'const MAX_TRANSACTIONS = 1e6;',
    'udp-mux',
    'of one member',
  ),
  mux('fragments of a member', 'mux/mux-members', 'const MAX_FRAGMENTS = 4;', 'const MAX_FRAGMENTS = 1e6;', 'udp-mux', 'of one member'),
  mux(
    'an answered transaction is over',
    'mux/udp-mux',
    "if (kind === 'response') this.#endTransaction(member, transactionKey(data));",
    '',
    'udp-mux',
    'answered transaction',
  ),
  mux(
    'nothing of a member that has left',
    'mux/udp-mux',
    'for (const key of member.paths) this.#paths.delete(key);',
    '',
    'udp-mux',
    'authenticated its sender last',
  ),
  mux('calls of the hook', 'mux/mux-options', 'if (this.#calls++ < MAX_CALLS) this.#callback', 'this.#callback', 'mux', 'F02'),
  mux('TCP connections without a check', 'mux/tcp-mux', 'if (this.#pending.size >= MAX_PENDING) {', 'if (false) {', 'mux', 'I18'),
  mux('TCP connections that say nothing', 'mux/tcp-mux', "() => this.#refuse(pending, 'no-check-in-time')", '() => {}', 'mux', 'I18'),
  mux(
    'the first frame is a check',
    'mux/tcp-mux',
    "if (fragment === undefined) return this.#refuse(pending, 'not-a-check');",
    '',
    'mux',
    'I18',
  ),
  mux(
    'early DTLS only from where checks were authentic',
    'transport-stack',
    '|| !this.ice.isAuthenticated(socket, address, port)) return;',
    ') return;',
    'transport-early',
    'authentic',
  ),
  mux(
    'early DTLS is bounded',
    'transport-stack',
    'if (this.#early.push(early) > MAX_EARLY) this.#early.shift();',
    'this.#early.push(early);',
    'transport-early',
    'bounded',
  ),
];

export const transportMutations = [...ports];
