import { describe, expect, test } from '@jest/globals';
import { exception, RTCError } from '../src/errors.ts';
import {
  RTCDataChannelEvent,
  RTCDTMFToneChangeEvent,
  RTCErrorEvent,
  RTCPeerConnectionIceErrorEvent,
  RTCPeerConnectionIceEvent,
  RTCTrackEvent,
} from '../src/events.ts';

describe('W3C WebRTC §11: RTCError', () => {
  test('is a DOMException with the name OperationError', () => {
    const error = new RTCError({ errorDetail: 'sctp-failure', sctpCauseCode: 12 }, 'gone');
    expect(error).toBeInstanceOf(DOMException);
    expect([error.name, error.message, error.code]).toEqual(['OperationError', 'gone', 0]);
    expect([error.errorDetail, error.sctpCauseCode, error.sdpLineNumber, error.receivedAlert, error.sentAlert]).toEqual([
      'sctp-failure',
      12,
      null,
      null,
      null,
    ]);
  });

  test('needs an errorDetail of the enumeration', () => {
    expect(() => new RTCError({} as never)).toThrow(TypeError);
    expect(() => new RTCError({ errorDetail: 'idp-load-failure' as never })).toThrow(TypeError);
  });

  test('exceptions carry their name', () => {
    expect(exception('InvalidStateError', 'closed')).toMatchObject({ name: 'InvalidStateError', message: 'closed', code: 11 });
  });
});

describe('W3C WebRTC: events', () => {
  test('RTCPeerConnectionIceEvent: null members unless given, TypeError for what is not a candidate', () => {
    const event = new RTCPeerConnectionIceEvent('icecandidate');
    expect([event.candidate, event.url, event.bubbles]).toEqual([null, null, false]);
    expect(() => new RTCPeerConnectionIceEvent('icecandidate', { candidate: { candidate: '' } as never })).toThrow(TypeError);
    expect(new RTCPeerConnectionIceEvent('x', { cancelable: true, url: 'stun:a' })).toMatchObject({ cancelable: true, url: 'stun:a' });
  });

  test('RTCPeerConnectionIceErrorEvent needs an errorCode', () => {
    const event = new RTCPeerConnectionIceErrorEvent('icecandidateerror', { errorCode: 701, port: 9, address: '::1' });
    expect([event.errorCode, event.errorText, event.url, event.address, event.port]).toEqual([701, '', '', '::1', 9]);
    expect(() => new RTCPeerConnectionIceErrorEvent('icecandidateerror', {} as never)).toThrow(TypeError);
  });

  test('events about objects need these', () => {
    expect(() => new RTCTrackEvent('track', {} as never)).toThrow(TypeError);
    expect(() => new RTCDataChannelEvent('datachannel', { channel: {} as never })).toThrow(TypeError);
    expect(() => new RTCErrorEvent('error', { error: new Error('x') as never })).toThrow(TypeError);
    const error = new RTCError({ errorDetail: 'dtls-failure', receivedAlert: 42 });
    expect(new RTCErrorEvent('error', { error }).error).toBe(error);
  });

  test('RTCDTMFToneChangeEvent has an empty tone unless given', () => {
    expect(new RTCDTMFToneChangeEvent('tonechange').tone).toBe('');
    expect(new RTCDTMFToneChangeEvent('tonechange', { tone: '5' }).tone).toBe('5');
  });
});
