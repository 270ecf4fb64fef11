import type { en } from './en.js';

/** One text per plural form; `other` is always present. */
export type Plural = { readonly other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;
type Texts = typeof en;

/** The shape of a translation: every message of the English one, with plural forms where that has them. */
export type Catalogue = { readonly [Key in keyof Texts]: Texts[Key] extends string ? string : Plural };
export type PluralKey = { [Key in keyof Texts]: Texts[Key] extends string ? never : Key }[keyof Texts];
export type TextKey = Exclude<keyof Texts, PluralKey>;
