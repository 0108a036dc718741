// Fails a test file that leaves sockets, servers or processes behind: whatever keeps a process alive keeps a user's process alive, too.
const { TestEnvironment } = require('jest-environment-node');

/** What libuv calls them. Timers are not among them: Jest has its own. */
const KINDS = new Set(['UDPWrap', 'TCPSocketWrap', 'TCPServerWrap', 'TLSWrap', 'ProcessWrap']);
/** A socket is closed a moment after `close()`, a process gone a moment after its `exit` event; milliseconds. */
const PATIENCE = 2000;

module.exports = class LeakCheckingEnvironment extends TestEnvironment {
  #before = [];

  async handleTestEvent(event) {
    if (event.name === 'run_start') this.#before = openHandles();
    if (event.name !== 'run_finish') return;
    let left = this.#left();
    for (const end = Date.now() + PATIENCE; left.length > 0 && Date.now() < end; left = this.#left())
      await new Promise((resolve) => setTimeout(resolve, 20));
    if (left.length > 0) throw new Error(`open after the last test: ${left.join(', ')}`);
  }

  /** Those that were not there before. */
  #left() {
    const before = [...this.#before];
    return openHandles().filter((name) => {
      const index = before.indexOf(name);
      if (index >= 0) before.splice(index, 1);
      return index < 0;
    });
  }
};

function openHandles() {
  return process.getActiveResourcesInfo().filter((name) => KINDS.has(name));
}
