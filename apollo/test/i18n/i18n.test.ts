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
  expect(i18n.duration(999)).toBe('less than a second');
  expect(i18n.duration(125_000)).toBe('2 min 5 sec');
  expect(i18n.duration(3_600_000)).toBe('1 hr');
  expect(i18n.took(350)).toBe('350 ms');
  expect(i18n.took(1_000)).toBe('1 sec');
  expect(i18n.took(-5)).toBe('0 ms');
});

test('how long something has been running', () => {
  const said = (language: string) =>
    [-5, 0, 999, 1_000, 2_000, 59_999, 60_000, 61_000].map((ms) => new I18n(language).elapsed(ms));
  expect(said('en-GB')).toEqual([
    'Just started', 'Just started', 'Just started', 'Running for 1 second', 'Running for 2 seconds',
    'Running for 59 seconds', 'Running for 1 min', 'Running for 1 min 1 sec',
  ]);
  expect(said('de')).toEqual([
    'Gerade begonnen', 'Gerade begonnen', 'Gerade begonnen', 'Läuft seit 1 Sekunde', 'Läuft seit 2 Sekunden',
    'Läuft seit 59 Sekunden', 'Läuft seit 1 Min.', 'Läuft seit 1 Min. 1 Sek.',
  ]);
});

test('a language nobody knows is English', () => {
  for (const language of ['xx', 'not a tag!', '']) expect(new I18n(language).text('title')).toBe('Notifications');
});
