/**
 * Athena's base URL, with a trailing slash. The URL of an inlined or bundled script is not Athena's: then the page's
 * origin is the best guess.
 */
export function baseAddress(src: string, script: string): string {
  const url = new URL(src || script.replace(/[^/]*$/, ''), document.baseURI);
  if (!url.protocol.startsWith('http')) return new URL('/', location.href).href;
  return url.href.endsWith('/') ? url.href : `${url.href}/`;
}

/** Athena's sign-in page, which leads back here. */
export function signInAddress(base: string, here: URL): string {
  const address = new URL('sign-in', base);
  address.searchParams.set('next', here.pathname + here.search + here.hash);
  return address.href;
}

export const signOutAddress = (base: string): string => new URL('sign-in', base).href;
