/** Gives the functions of data-exchange.ts to the pages of a {@link Browser}. */
import * as functions from './data-exchange.ts';

declare global {
  interface Window {
    exchange: typeof functions;
  }
  const exchange: typeof functions;
}

if (typeof window === 'object') window.exchange = functions;
