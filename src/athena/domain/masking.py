"""Masking of e-mail addresses, done before anything is stored: the unmasked address is nowhere."""

from __future__ import annotations

import re

# Deliberately wide: whatever looks like local@domain is treated as an address. RFC 5322 allows far stranger local parts
# in quotes; none of them is worth leaving an ordinary address readable.
_ADDRESS = re.compile(r"([^\s@<>()\[\],;:\"]+)(@[^\s@<>()\[\],;:\"]+)")


def mask_emails(text: str) -> str:
    """`text` with the local part of each e-mail address masked, its length kept.

    The first and last letter stay; of 3 letters only the first; 1 or 2 are blanked:
    `dshuffma@us.ibm.com` → `d******a@us.ibm.com`, `bob@x.org` → `b**@x.org`, `al@x.org` → `**@x.org`.
    Masking a masked address changes nothing.
    """
    return _ADDRESS.sub(_mask, text) if "@" in text else text


def _mask(address: re.Match[str]) -> str:
    local, domain = address.groups()
    if len(local) > 3:
        masked = local[0] + "*" * (len(local) - 2) + local[-1]
    elif len(local) == 3:
        masked = local[0] + "**"
    else:
        masked = "*" * len(local)
    return masked + domain
