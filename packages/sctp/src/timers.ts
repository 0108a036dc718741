/** The timers of an association, by their names in RFC 9260 §16 where they have one. */
export const TIMER_NAMES = [
  't1-init',
  't1-cookie',
  't2-shutdown',
  't5-shutdown-guard',
  't3-rtx',
  'loss-detection',
  'tail-loss-probe',
  'sack',
  'reconfig',
  'heartbeat',
  'path-mtu',
] as const;

export type TimerName = (typeof TIMER_NAMES)[number];
