/** `addEventListener` with the types of events, as the DOM's declarations have it. Types only: the class is the platform's EventTarget. */

/** `icecandidate`, …: the types of events that have an `on…` attribute. */
export type EventTypeOf<Target> = keyof Target extends infer Name ? (Name extends `on${infer Type}` ? Type : never) : never;

/** What the handler of the attribute takes. */
export type EventOf<Target, Type extends string> = `on${Type}` extends keyof Target
  ? NonNullable<Target[`on${Type}`]> extends (this: never, event: infer E extends Event) => unknown
    ? E
    : Event
  : Event;

/** A function, or an object with one. */
export type Listener<Target, E extends Event> = ((this: Target, event: E) => unknown) | { handleEvent(event: E): unknown };

/** The third argument of `addEventListener`. */
export type ListenerOptions = boolean | { capture?: boolean; once?: boolean; passive?: boolean; signal?: AbortSignal };

/** An EventTarget that says what comes with its events. */
export interface TypedEventTarget<Target> extends EventTarget {
  addEventListener<Type extends EventTypeOf<Target>>(
    type: Type,
    listener: Listener<Target, EventOf<Target, Type>> | null,
    options?: ListenerOptions,
  ): void;
  addEventListener(type: string, listener: Listener<Target, Event> | null, options?: ListenerOptions): void;
  removeEventListener<Type extends EventTypeOf<Target>>(
    type: Type,
    listener: Listener<Target, EventOf<Target, Type>> | null,
    options?: boolean | { capture?: boolean },
  ): void;
  removeEventListener(type: string, listener: Listener<Target, Event> | null, options?: boolean | { capture?: boolean }): void;
}

/** What classes extend that dispatch events of theirs. */
export const TypedEventTarget: new <Target>() => TypedEventTarget<Target> = EventTarget as new <Target>() => TypedEventTarget<Target>;
