"""Masking of e-mail addresses, done before anything is stored: the unmasked address is kept nowhere."""

from __future__ import annotations

import re

# Deliberately wide: whatever looks like local@domain is treated as an address; so are quoted local parts, and domains
# that are an address in brackets (RFC 5321, section 4.1.2). Matching takes linear time: a local part is tried only from
# its first letter, and a quoted part ends at the next quote.
_ADDRESS = re.compile(
    r"""("[^"]+"(?=@)|(?<![^\s@<>()\[\],;:"])[^\s@<>()\[\],;:"]++)"""
    r"""(@(?:[^\s@<>()\[\],;:"]+|\[[^\s@\[\]]{1,64}\]))"""
)


def mask_emails(text: str) -> str:
    """`text` with the local part of each e-mail address masked, keeping its length.

    The first and last letters stay; of 3 letters only the first; of 1 or 2, or in quotes, none:
    `dshuffma@us.ibm.com` → `d******a@us.ibm.com`, `bob@x.org` → `b**@x.org`, `al@x.org` → `**@x.org`.
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
