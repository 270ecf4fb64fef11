/** `#tx=ID`: a link to one transaction. Where the page uses the hash itself, `?apollo-tx=ID` does the same. */

const HASH = /^#tx=(.+)$/;
const PARAMETER = 'apollo-tx';

export function linkedId(address: URL): string | undefined {
  const hash = HASH.exec(address.hash)?.[1];
  if (hash === undefined) return address.searchParams.get(PARAMETER) ?? undefined;
  try {
    return decodeURIComponent(hash);
  } catch {
    return undefined; // a % that encodes nothing
  }
}

export function withLink(address: URL, id: string | undefined): URL {
  const result = new URL(address);
  result.searchParams.delete(PARAMETER);
  const ours = result.hash === '' || HASH.test(result.hash);
  if (id === undefined) {
    if (ours) result.hash = '';
  } else if (ours) {
    result.hash = `tx=${encodeURIComponent(id)}`;
  } else {
    result.searchParams.set(PARAMETER, id);
  }
  return result;
}
