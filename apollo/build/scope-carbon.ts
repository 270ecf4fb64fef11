import type { Plugin } from 'vite';

export const PREFIX = 'apollo-cds';

/**
 * Gives Carbon's elements a prefix of our own. A host page may well have Carbon itself, in another version, and a
 * document has one registry for custom elements: `<cds-button>` would be whoever came first.
 * The tokens (`--cds-…`) keep their names; Apollo sets all of them at its own root.
 */
export function scopeCarbon(): Plugin {
  return {
    name: 'scope-carbon',
    enforce: 'pre',
    transform(code, id) {
      if (!id.includes('/@carbon/web-components/') || !id.endsWith('.js')) return null;
      // Names of elements, classes and events, in code and styles, but not tokens, which begin with two dashes.
      const scoped = code.replace(/(?<![-\w])cds-/g, `${PREFIX}-`).replace('prefix = "cds"', `prefix = "${PREFIX}"`);
      return { code: scoped, map: null };
    },
  };
}
