import type { en } from './en.js';

/** One text a plural form; `other` is always there. */
export type Plural = { readonly other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;
type Texts = typeof en;

/** What a translation has to have: every message of the English one, plural where that is plural. */
export type Catalogue = { readonly [Key in keyof Texts]: Texts[Key] extends string ? string : Plural };
export type PluralKey = { [Key in keyof Texts]: Texts[Key] extends string ? never : Key }[keyof Texts];
export type TextKey = Exclude<keyof Texts, PluralKey>;
