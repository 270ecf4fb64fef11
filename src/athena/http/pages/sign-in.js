// Signs in: with the key that is typed, or with the secret of a link, which stands behind `#` and so is never sent along
// with the request for this page.

const form = document.querySelector('form');
const input = document.querySelector('#key');
const state = document.querySelector('#state');
const button = document.querySelector('button');

const said = {
  400: 'That is no key.',
  401: 'That key is not good here. It may be revoked or expired.',
  404: 'Nobody needs to sign in here.',
  429: 'Too many attempts. Wait a minute.',
};

/** Where to go then: an address of our own, never one that the link was made to lead to. */
function next() {
  const asked = new URLSearchParams(location.search).get('next') ?? '/';
  if (!URL.canParse(asked, location.origin)) return '/';
  const wanted = new URL(asked, location.origin);
  if (wanted.origin !== location.origin) return '/';
  if (wanted.hash === '' && !location.hash.startsWith('#atl_')) wanted.hash = location.hash;
  return wanted.href; // whole: its path alone might begin with two slashes, and so name another host
}

async function signIn(credentials, bad) {
  button.disabled = true;
  state.textContent = '';
  try {
    const answer = await fetch('/api/v3/sessions', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(credentials),
    });
    if (answer.ok || answer.status === 404) {
      location.replace(next());
      return;
    }
    state.textContent = (answer.status === 401 && bad) || said[answer.status] || 'Athena cannot do this now. Try again.';
  } catch {
    state.textContent = 'Athena cannot be reached. Try again.';
  }
  button.disabled = false;
  input.focus();
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void signIn({ key: input.value.trim() });
});

/** Follows the link that led here, if one did. */
function follow() {
  const link = location.hash.slice(1);
  if (!link.startsWith('atl_')) return false;
  // Out of the address and the history at once, used or not.
  history.replaceState(null, '', location.pathname + location.search);
  void signIn({ link }, 'This link was used or is too old. Ask for another: athena sign-in');
  return true;
}

addEventListener('hashchange', follow); // a link that is put into the address of this very page loads nothing
if (!follow()) input.focus();
