import { performance } from 'node:perf_hooks';
import type { TimerHandle } from '@petrel/peer-connection';
import { type Instant, NEVER } from '@petrel/sans-io';
import type { OpenHandles } from './open-handles.ts';

/** The longest delay that `setTimeout` takes; with more it fires at once. */
const LONGEST_DELAY = 0x7fff_ffff;

/** Calls back once, at or after `deadline` on `performance.now()`: Node's own timers may be a millisecond early. */
export function setTimer(deadline: Instant, callback: () => void, background: boolean, handles: OpenHandles): TimerHandle {
  if (deadline === NEVER) return { cancel: () => {} };
  const handle = handles.open(background ? 'timer (background)' : 'timer');
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    timer = setTimeout(fire, Math.min(LONGEST_DELAY, Math.max(0, Math.ceil(deadline - performance.now()))));
    if (background) timer.unref();
  };
  const fire = (): void => {
    if (performance.now() < deadline) return arm();
    handle.close();
    callback();
  };
  arm();
  return {
    cancel: () => {
      clearTimeout(timer);
      handle.close();
    },
  };
}
