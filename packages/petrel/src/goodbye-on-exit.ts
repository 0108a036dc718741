import { type CloseOptions, openConnections } from '@petrel/peer-connection';

/** The argument of {@link goodbyeOnExit}. */
export interface GoodbyeOptions {
  /** Told to the peers, as in `close({ reason })`. */
  readonly reason?: string;
  /** Which signals close everything first. Default: SIGINT and SIGTERM. */
  readonly signals?: readonly NodeJS.Signals[];
}

/** How long a signal waits for the peers' answers, in milliseconds. */
const PATIENCE = 300;
const DEFAULT_SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

let installed: (() => void) | undefined;

/**
 * Says goodbye for every connection that is open when the process ends. On `process.exit()`, or when nothing is left to do, each peer is told once,
 * synchronously. On a signal every connection is closed and has up to 300 ms to be heard; then the signal does its work, unless the
 * application listens to it as well: then that is the application's. Calling it again replaces the options.
 *
 * @returns a function that undoes it
 * @example
 * goodbyeOnExit({ reason: 'the server restarts' });
 */
export function goodbyeOnExit({ reason = '', signals = DEFAULT_SIGNALS }: GoodbyeOptions = {}): () => void {
  installed?.();
  const onExit = (): void => closeAll({ reason, linger: 0 });
  const onSignal = (signal: NodeJS.Signals): void => void closeBefore(signal, reason, uninstall);
  const uninstall = (): void => {
    process.off('exit', onExit);
    for (const signal of signals) process.off(signal, onSignal);
    if (installed === uninstall) installed = undefined;
  };
  process.on('exit', onExit);
  for (const signal of signals) process.on(signal, onSignal);
  installed = uninstall;
  return uninstall;
}

/** The flights leave before `close` returns. */
function closeAll(options: CloseOptions): void {
  for (const connection of openConnections) connection.close(options);
}

async function closeBefore(signal: NodeJS.Signals, reason: string, uninstall: () => void): Promise<void> {
  const connections = [...openConnections];
  closeAll({ reason });
  await Promise.race([Promise.all(connections.map(({ closed }) => closed)), new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
  if (process.listenerCount(signal) > 1) return;
  uninstall();
  process.kill(process.pid, signal);
}
