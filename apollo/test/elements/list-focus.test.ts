import type { LitElement } from 'lit';
import { afterEach, expect, test } from 'vitest';
import { ListFocus } from '../../src/elements/list-focus.js';

/** What of the panel matters here: a heading, rows, and the bar that goes away. */
function panel(...ids: string[]) {
  const host = document.body.appendChild(document.createElement('div'));
  const root = host.attachShadow({ mode: 'open' });
  const add = (name: string, className = ''): HTMLElement => {
    const element = document.createElement(name);
    element.tabIndex = -1;
    element.className = className;
    return root.appendChild(element);
  };
  const heading = add('h2');
  const show = (ids: readonly string[]): void => {
    for (const row of root.querySelectorAll('apollo-row')) row.remove();
    for (const id of ids) Object.assign(add('apollo-row'), { row: { id } });
  };
  const focused = (): string | undefined => {
    const active = root.activeElement as (HTMLElement & { row?: { id: string } }) | null;
    return active === heading ? 'heading' : active?.row?.id;
  };
  const updating = { renderRoot: root, updateComplete: Promise.resolve(true), addController: () => undefined };
  const lit = Object.assign(host, updating);
  const list = new ListFocus(lit as unknown as LitElement, () => false, () => undefined);
  show(ids);
  return {
    /** Takes these away, with the focus in the bar that can undo it; then `others` render without it. */
    async archive(gone: readonly string[], others: readonly string[], steal = (): void => undefined) {
      list.expectToLose(gone);
      show(ids.filter((id) => !gone.includes(id)));
      const button = add('div', 'snack').appendChild(document.createElement('button'));
      button.focus();
      expect(root.activeElement).toBe(button);
      list.hostUpdate();
      root.querySelector('.snack')!.remove();
      show(others);
      steal();
      list.hostUpdated();
      await new Promise<void>((resolve) => setTimeout(resolve)); // all that waits for the row has run by then
      return focused();
    },
    stealer: () => heading.focus(),
  };
}

afterEach(() => document.body.replaceChildren());

test('sent: the focus goes to the row after the archived ones', async () => {
  expect(await panel('a', 'b', 'c').archive(['b'], ['a', 'c'])).toBe('c');
});

test('undone: to the first that came back', async () => {
  expect(await panel('a', 'b', 'c').archive(['b', 'c'], ['a', 'b', 'c'])).toBe('b');
});

test('the last ones: to the one before', async () => {
  expect(await panel('a', 'b', 'c').archive(['b', 'c'], ['a'])).toBe('a');
});

test('nothing left: to the heading', async () => {
  expect(await panel('a').archive(['a'], [])).toBe('heading');
});

test('a focus that somebody else took care of stays there', async () => {
  const { archive, stealer } = panel('a', 'b');
  expect(await archive(['a'], ['b'], stealer)).toBe('heading');
});
