import type { ApiError } from '../api/session.js';
import type { I18n } from '../i18n/i18n.js';

/** The user-visible reason why something could not be loaded. */
export function hint(error: ApiError, i18n: I18n): string {
  if (error.status === 0) return i18n.text('unreachableHint');
  if (error.status === 401) return i18n.text('signed-outHint');
  if (error.status === 403) return i18n.text('forbiddenHint');
  return i18n.text('failedHint', { code: error.code });
}
