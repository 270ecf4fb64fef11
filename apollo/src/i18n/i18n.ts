import { startOfDay } from '../state/history.js';
import type { Catalogue, PluralKey, TextKey } from './catalogue.js';
import { de } from './de.js';
import { en } from './en.js';

export const CATALOGUES: Readonly<Record<string, Catalogue>> = { en, de };

const DAY_MS = 86_400_000;
const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', DAY_MS],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
];

/** The texts, numbers and times of one language. */
export class I18n {
  private readonly catalogue: Catalogue;
  private readonly plurals: Intl.PluralRules;
  private readonly numbers: Intl.NumberFormat;
  private readonly relatives: Intl.RelativeTimeFormat;
  private readonly exacts: Intl.DateTimeFormat;
  private readonly times: Intl.DateTimeFormat;
  private readonly days: Intl.DateTimeFormat;
  private readonly locale: string;
  /** Cached: creating a formatter takes a hundred times as long as using it, and each row has durations. */
  private readonly units = new Map<string, Intl.NumberFormat>();

  /** @param language a BCP 47 tag; without a translation the texts are English, dates and numbers still the tag's */
  constructor(readonly language: string) {
    this.catalogue = CATALOGUES[language.split('-')[0]!.toLowerCase()] ?? en;
    const locale = (this.locale = supported(language));
    this.plurals = new Intl.PluralRules(locale);
    this.numbers = new Intl.NumberFormat(locale);
    this.relatives = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
    this.exacts = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'long' });
    this.times = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
    this.days = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
  }

  text(key: TextKey, names: Record<string, string | number> = {}): string {
    return this.fill(this.catalogue[key], names);
  }

  plural(key: PluralKey, n: number): string {
    const forms = this.catalogue[key];
    return this.fill(forms[this.plurals.select(n)] ?? forms.other, { n });
  }

  /** "3 minutes ago"; never in the future, which only clock skew could cause. */
  relative(ms: number, now: number): string {
    const ago = Math.max(0, now - ms);
    const days = Math.round((startOfDay(now) - startOfDay(now - ago)) / DAY_MS);
    if (days > 0 && ago >= DAY_MS / 2) return this.relatives.format(-days, 'day');
    for (const [unit, size] of UNITS) {
      if (ago >= size) return this.relatives.format(-Math.floor(ago / size), unit);
    }
    return this.relatives.format(0, 'second');
  }

  exact(ms: number): string {
    return this.exacts.format(ms);
  }

  time(ms: number): string {
    return this.times.format(ms);
  }

  day(ms: number, now: number): string {
    const days = Math.round((startOfDay(now) - ms) / DAY_MS);
    if (days === 0) return this.text('today');
    return days === 1 ? this.text('yesterday') : this.days.format(ms);
  }

  /** "Running for 1 second", "Running for 2 min 5 s". With clock skew, a start in the future is "just started". */
  elapsed(ms: number): string {
    return ms < 1000 ? this.text('justStarted') : this.text('elapsed', { duration: this.duration(ms) });
  }

  /** How long it took: "350 ms", "2 min 5 s". */
  took(ms: number): string {
    return ms < 1000 ? this.unit(Math.max(0, Math.round(ms)), 'millisecond') : this.twoUnits(ms);
  }

  /** How long it has been so far: "less than a second", "12 seconds", "2 min 5 s". */
  duration(ms: number): string {
    if (ms < 1000) return this.text('underSecond');
    return ms < 60_000 ? this.unit(Math.floor(ms / 1000), 'second', 'long') : this.twoUnits(ms);
  }

  /** "2 min 5 s": at most two units, whole seconds. */
  private twoUnits(ms: number): string {
    const seconds = Math.max(0, Math.floor(ms / 1000));
    const parts: [number, string][] = [
      [Math.floor(seconds / 86_400), 'day'],
      [Math.floor(seconds / 3600) % 24, 'hour'],
      [Math.floor(seconds / 60) % 60, 'minute'],
      [seconds % 60, 'second'],
    ];
    const first = parts.findIndex(([value]) => value > 0);
    const used = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2).filter(([value], at) => value > 0 || at === 0);
    return used.map(([value, unit]) => this.unit(value, unit)).join(' ');
  }

  private unit(value: number, unit: string, unitDisplay: 'short' | 'long' = 'short'): string {
    const key = `${unit} ${unitDisplay}`;
    let format = this.units.get(key);
    if (format === undefined) {
      format = new Intl.NumberFormat(this.locale, { style: 'unit', unit, unitDisplay });
      this.units.set(key, format);
    }
    return format.format(value);
  }

  private fill(text: string, names: Record<string, string | number>): string {
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = names[name];
      return value === undefined ? whole : typeof value === 'number' ? this.numbers.format(value) : value;
    });
  }
}

/** A tag that Intl accepts: a page may have `lang="xx_broken"`. */
function supported(language: string): string {
  try {
    return Intl.DateTimeFormat.supportedLocalesOf(language)[0] ?? 'en';
  } catch {
    return 'en';
  }
}
