"""Masking of e-mail addresses, done before anything is stored: the unmasked address is nowhere."""

from __future__ import annotations

import re

# Deliberately wide: whatever looks like local@domain is treated as an address; so are local parts in quotes, and
# domains that are an address in brackets (RFC 5321, section 4.1.2). No text takes longer than its length: a local part
# is looked for from its first letter alone, and quotes end at the next one.
_ADDRESS = re.compile(
    r"""("[^"]+"(?=@)|(?<![^\s@<>()\[\],;:"])[^\s@<>()\[\],;:"]++)"""
    r"""(@(?:[^\s@<>()\[\],;:"]+|\[[^\s@\[\]]{1,64}\]))"""
)


def mask_emails(text: str) -> str:
    """`text` with the local part of each e-mail address masked, its length kept.

    The first and last letter stay; of 3 letters only the first; 1 or 2 are blanked:
    `dshuffma@us.ibm.com` → `d******a@us.ibm.com`, `bob@x.org` → `b**@x.org`, `al@x.org` → `**@x.org`; in quotes none.
    Masking a masked address changes nothing.
    """
    return _ADDRESS.sub(_mask, text) if "@" in text else text


def _mask(address: re.Match[str]) -> str:
    local, domain = address.groups()
    if local[0] == '"':
        masked = f'"{"*" * (len(local) - 2)}"'
    elif len(local) > 3:
        masked = local[0] + "*" * (len(local) - 2) + local[-1]
    elif len(local) == 3:
        masked = local[0] + "**"
    else:
        masked = "*" * len(local)
    return masked + domain
