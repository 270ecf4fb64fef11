/**
 * Where Athena is, with a slash at the end. A script inlined or bundled by somebody else has no address of Athena's:
 * then the page's own is the best guess.
 */
export function baseAddress(src: string, script: string): string {
  const url = new URL(src || script.replace(/[^/]*$/, ''), document.baseURI);
  if (!url.protocol.startsWith('http')) return new URL('/', location.href).href;
  return url.href.endsWith('/') ? url.href : `${url.href}/`;
}

/** Athena's own page for it, which leads back here. */
export function signInAddress(base: string, here: URL): string {
  const address = new URL('sign-in', base);
  address.searchParams.set('next', here.pathname + here.search + here.hash);
  return address.href;
}

export const signOutAddress = (base: string): string => new URL('sign-in', base).href;
