import { describe, expect, test } from '@jest/globals';
import { fromHex, toHex } from '@petrel/bytes';
import { nobleCrypto } from '@petrel/crypto/noble';
import { nodeCrypto } from '@petrel/crypto/node';
import { SrtcpContext, SrtpContext } from '@petrel/srtp';
import cm from './vectors/rfc3711-aes-cm.json';

describe.each([nodeCrypto(), nobleCrypto()])('$name', (crypto) => {
  test('R01 rtp', () => {
    const v = cm.packets[0]!;
    const o = { crypto, profile: 'AES_CM_128_HMAC_SHA1_80' as const, key: fromHex(v.masterKey), salt: fromHex(v.masterSalt) };
    expect(toHex(new SrtpContext(o).protect(fromHex(v.plain))!)).toBe(v.protected);
    expect(toHex(new SrtpContext(o).unprotect(fromHex(v.protected))!)).toBe(v.plain);
    const r = cm.packets[1]!;
    const s = new SrtcpContext(o);
    s.setNextIndex(1);
    expect(toHex(s.protect(fromHex(r.plain))!)).toBe(r.protected);
    expect(toHex(new SrtcpContext(o).unprotect(fromHex(r.protected))!)).toBe(r.plain);
  });
});
