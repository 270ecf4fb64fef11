import { expect, test } from 'vitest';
import { baseAddress, signInAddress, signOutAddress } from '../../src/state/addresses.js';

test('where Athena is: what the page says, else where the script came from', () => {
  expect(baseAddress('https://athena.example', 'https://cdn.example/apollo.js')).toBe('https://athena.example/');
  expect(baseAddress('https://athena.example/below', '')).toBe('https://athena.example/below/');
  expect(baseAddress('', 'https://athena.example/apollo.js')).toBe('https://athena.example/');
});

test('signing in leads back to where one was', () => {
  const here = new URL('https://athena.example/page?apollo-by=a%26b&x=1#tx=a%20b');
  const address = new URL(signInAddress('https://athena.example/', here));
  expect(address.pathname).toBe('/sign-in');
  expect(address.searchParams.get('next')).toBe('/page?apollo-by=a%26b&x=1#tx=a%20b');
  expect(signOutAddress('https://athena.example/')).toBe('https://athena.example/sign-in');
});
