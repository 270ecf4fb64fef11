import { expect, test } from 'vitest';
import { CATALOGUES, I18n } from '../../src/i18n/i18n.js';
import { en } from '../../src/i18n/en.js';

const names = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort();

for (const [language, catalogue] of Object.entries(CATALOGUES)) {
  test(`${language} has every message, with the same names in it`, () => {
    expect(Object.keys(catalogue).sort()).toEqual(Object.keys(en).sort());
    for (const [key, message] of Object.entries(en)) {
      const translated = catalogue[key as keyof typeof en];
      if (typeof message === 'string') {
        expect(typeof translated, key).toBe('string');
        expect(names(translated as string), key).toEqual(names(message));
        expect((translated as string).length, key).toBeGreaterThan(0);
      } else {
        for (const form of new Intl.PluralRules(language).resolvedOptions().pluralCategories) {
          const text = (translated as Record<string, string>)[form];
          expect(text, `${key} ${form}`).toBeDefined();
          expect(names(text!), key).toEqual(['n']);
        }
      }
    }
  });
}

test('plural and numbers', () => {
  expect(new I18n('en').plural('fresh', 1234)).toBe('1,234 new');
  expect(new I18n('de').plural('awayRunning', 1)).toBe('1 läuft');
  expect(new I18n('de-AT').plural('awayRunning', 2)).toBe('2 laufen');
});

test('names are filled in as they are', () => {
  expect(new I18n('en').text('closeToast', { title: '<img src=x> {n} $&' })).toBe('Close: <img src=x> {n} $&');
});

test('relative time, never in the future', () => {
  const i18n = new I18n('en');
  const now = new Date(2026, 10, 23, 12).getTime();
  expect(i18n.relative(now - 180_000, now)).toBe('3 minutes ago');
  expect(i18n.relative(now + 5_000, now)).toBe('now');
  expect(i18n.relative(now - 86_400_000, now)).toBe('yesterday');
  expect(i18n.day(new Date(2026, 10, 22).getTime(), now)).toBe('Yesterday');
  expect(new I18n('de').day(new Date(2026, 10, 20).getTime(), now)).toBe('Freitag, 20. November 2026');
});

test('durations: two units at most', () => {
  const i18n = new I18n('en');
  expect(i18n.duration(0)).toBe('0 sec');
  expect(i18n.duration(125_000)).toBe('2 min 5 sec');
  expect(i18n.duration(3_600_000)).toBe('1 hr');
  expect(i18n.took(350)).toBe('350 ms');
  expect(i18n.duration(-5)).toBe('0 sec');
});

test('a language nobody knows is English', () => {
  for (const language of ['xx', 'not a tag!', '']) expect(new I18n(language).text('title')).toBe('Notifications');
});
