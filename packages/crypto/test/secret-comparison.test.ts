import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const packages = join(__dirname, '../..');

/** Where something secret, or made with a secret, is compared with what a peer sent. */
const COMPARED_IN_CONSTANT_TIME = {
  'stun/src/integrity.ts': 'MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256',
  'dtls/src/handshake-session.ts': 'verify_data of Finished',
  'dtls/src/cookie-exchange.ts': 'cookies of HelloVerifyRequest',
  'srtp/src/aes-cm-hmac-sha1.ts': 'authentication tags',
  'sctp/src/state-cookie.ts': 'state cookies',
};

/** Packages that hold keys: there `equalBytes`, which stops at the first difference, is not even imported. */
const KEY_HOLDERS = ['stun', 'turn', 'dtls', 'srtp'];

test.each(Object.entries(COMPARED_IN_CONSTANT_TIME))('W08: %s compares %s with timingSafeEqual', (file) => {
  expect(readFileSync(join(packages, file), 'utf8')).toContain('.timingSafeEqual(');
});

test.each(KEY_HOLDERS)('W08: %s compares no bytes in another way', (name) => {
  const sources = readdirSync(join(packages, name, 'src'), { recursive: true }) as string[];
  const offenders = sources.filter(
    (file) => file.endsWith('.ts') && readFileSync(join(packages, name, 'src', file), 'utf8').includes('equalBytes'),
  );
  expect(offenders).toEqual([]);
});
