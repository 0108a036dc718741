import { describe, expect, test } from '@jest/globals';
import * as webidl from '../src/webidl.ts';

describe('Web IDL §3.2: conversions', () => {
  test('integers wrap, and become 0 when they are no numbers', () => {
    expect(webidl.unsignedShort(65_537, 'x')).toBe(1);
    expect(webidl.unsignedShort(-1, 'x')).toBe(65_535);
    expect(webidl.unsignedShort(NaN, 'x')).toBe(0);
    expect(webidl.unsignedShort('7.9', 'x')).toBe(7);
    expect(webidl.long(2 ** 31, 'x')).toBe(-(2 ** 31));
    expect(webidl.octet(256, 'x')).toBe(0);
  });

  test('[EnforceRange] throws instead', () => {
    for (const value of [-1, 65_536, NaN, Infinity, undefined, 'x'])
      expect(() => webidl.unsignedShortInRange(value, 'x')).toThrow(TypeError);
    expect(webidl.unsignedShortInRange('65535', 'x')).toBe(65_535);
    expect(Object.is(webidl.unsignedShortInRange(-0.5, 'x'), 0)).toBe(true);
    expect(() => webidl.unsignedLongInRange(2 ** 32, 'x')).toThrow(TypeError);
  });

  test('double refuses what is not finite', () => {
    expect(() => webidl.double(Infinity, 'x')).toThrow(TypeError);
    expect(webidl.double('1.5', 'x')).toBe(1.5);
  });

  test('USVString replaces lone surrogates, and keeps pairs', () => {
    expect(webidl.usvString('a\uD800b\uDC00c\u{1F426}', 'x')).toBe('a\uFFFDb\uFFFDc\u{1F426}');
    expect(() => webidl.domString(Symbol('x'), 'x')).toThrow(TypeError);
    expect(webidl.domString(null, 'x')).toBe('null');
  });

  test('enumerations are exact', () => {
    const convert = webidl.enumeration('Direction', ['up', 'down']);
    expect(convert('up', 'x')).toBe('up');
    for (const value of ['Up', '', undefined, null]) expect(() => convert(value, 'x')).toThrow(/not a valid value of Direction/);
  });

  test('sequences take any iterable, and say which item is wrong', () => {
    const convert = webidl.sequence(webidl.unsignedShortInRange);
    expect(convert(new Set([1, 2]), 'x')).toEqual([1, 2]);
    expect(() => convert([1, -1], 'list')).toThrow(/^list\[1\]/);
    for (const value of [1, 'ab', {}, null, undefined]) expect(() => convert(value, 'x')).toThrow(TypeError);
  });

  test('a union of string and sequence', () => {
    const convert = webidl.oneOrMore(webidl.usvString);
    expect(convert('a', 'x')).toEqual(['a']);
    expect(convert(['a', 1], 'x')).toEqual(['a', '1']);
  });

  test('dictionaries: defaults, required members, and the order in which members are read', () => {
    interface Base {
      z?: number;
    }
    interface Derived extends Base {
      b: string;
      a?: number;
    }
    const base = webidl.dictionary<Base>('Base', { z: { convert: webidl.long } });
    const derived = webidl.dictionary<Derived, Base>(
      'Derived',
      { b: { convert: webidl.domString, required: true }, a: { convert: webidl.long, fallback: () => 5 } },
      base,
    );
    expect(derived({ b: 1 }, 'x')).toEqual({ b: '1', a: 5 });
    expect(() => derived(undefined, 'x')).toThrow(/Derived.b is required/);
    for (const value of [1, 'a', true]) expect(() => derived(value, 'x')).toThrow(TypeError);
    const read: string[] = [];
    derived(new Proxy({}, { get: (_, name) => (read.push(String(name)), 1) }), 'x');
    expect(read).toEqual(['z', 'a', 'b']);
  });
});

class Bell extends EventTarget {
  declare onring: webidl.EventHandler<Bell>;
  readonly #volume = 3;

  get volume(): number {
    return this.#volume;
  }

  ring(): boolean {
    return this.dispatchEvent(new Event('ring', { cancelable: true }));
  }

  static {
    webidl.defineInterface({ name: 'Bell', prototype: Bell.prototype, isInstance: (value) => #volume in value, handlers: ['ring'] });
  }
}

describe('Web IDL §3.7: interface objects', () => {
  test('members are enumerable, the class string is the name', () => {
    expect(Object.keys(Bell.prototype)).toEqual(expect.arrayContaining(['volume', 'ring', 'onring']));
    expect(String(new Bell())).toBe('[object Bell]');
  });

  test('interface types go by the constructor, not by the prototype', () => {
    const convert = webidl.interfaceType<Bell>('Bell');
    const bell = new Bell();
    expect(convert(bell, 'x')).toBe(bell);
    expect(() => convert(Object.create(Bell.prototype), 'x')).toThrow(TypeError);
    expect(() => webidl.interfaceType('Nobody')(bell, 'x')).toThrow(TypeError);
  });

  test('what an operation with a promise throws is its rejection', async () => {
    const result = webidl.promised(() => {
      webidl.requireArguments(0, 1, 'operation');
      return Promise.resolve();
    });
    await expect(result).rejects.toThrow('operation: 1 argument required, but only 0 present');
  });

  test('a constructor that is not public throws', () => {
    expect(() => webidl.requireInternal(undefined)).toThrow(new TypeError('Illegal constructor'));
    expect(() => webidl.requireInternal(webidl.INTERNAL)).not.toThrow();
  });
});

describe('HTML §8.1.8.1: event handler attributes', () => {
  test('null until set; null again when set to what is not an object', () => {
    const bell = new Bell();
    expect(bell.onring).toBeNull();
    bell.onring = () => {};
    bell.onring = 1 as never;
    expect(bell.onring).toBeNull();
    expect(() => Object.getOwnPropertyDescriptor(Bell.prototype, 'onring')!.get!.call({})).toThrow(TypeError);
  });

  test('a replaced handler keeps its place among the listeners, a removed one loses it', () => {
    const bell = new Bell();
    const calls: string[] = [];
    bell.onring = () => calls.push('first');
    bell.addEventListener('ring', () => calls.push('listener'));
    bell.onring = () => calls.push('second');
    bell.ring();
    bell.onring = null;
    bell.onring = () => calls.push('third');
    bell.ring();
    expect(calls).toEqual(['second', 'listener', 'listener', 'third']);
  });

  test('this is the target, and false cancels', () => {
    const bell = new Bell();
    const targets: Bell[] = [];
    bell.onring = function () {
      targets.push(this);
      return false;
    };
    expect(bell.ring()).toBe(false);
    expect(targets).toEqual([bell]);
  });

  test('an object that cannot be called is kept, and does nothing', () => {
    const bell = new Bell();
    const object = {} as never;
    bell.onring = object;
    expect(bell.onring).toBe(object);
    expect(bell.ring()).toBe(true);
  });
});
