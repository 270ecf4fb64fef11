"""Query parameters, as types: they validate the requests and describe themselves in the OpenAPI document."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated

from msgspec import Meta, Struct, field

from athena.domain.masking import mask_emails
from athena.domain.model import MAX_TIMESTAMP, Notification
from athena.errors import InvalidField
from athena.store.base import Query, SortKey

Limit = Annotated[int, Meta(ge=1, le=1000, description="Rows in the answer at the most.")]
Skip = Annotated[int, Meta(ge=0, le=2**53, description="Rows to pass over.")]
Text = Annotated[str, Meta(max_length=256)]
Statuses = Annotated[
    str,
    Meta(
        pattern=r"^(pending|undoing|error|success)(,(pending|undoing|error|success))*\Z",
        description="One status, or several with commas between.",
    ),
]
Types = Annotated[str, Meta(pattern=r"^(webhook_tx|notification)(,(webhook_tx|notification))*\Z")]
_PLACE = re.compile(r"(?P<finished>[01])\.(?P<ts_display>[0-9]{1,15})\.(?P<id>[A-Za-z0-9._-]{1,128})\Z")
"""What `encode_next` produces. Any client can forge one, so it grants nothing: it only names a position."""


class Paging(Struct, frozen=True):
    limit: Limit = 100
    skip: Skip = 0


class HistoryParameters(Paging, frozen=True, kw_only=True):
    component_id: Text | None = None
    status: Statuses | None = None
    type: Types | None = None
    sub_type: Text | None = None
    by: Annotated[str, Meta(max_length=256, description="Masked or not; it is compared masked.")] | None = None
    search: (
        Annotated[
            str,
            Meta(
                max_length=256,
                description="Looked for in message, id, by and component_id; the case of A to Z does not matter.",
            ),
        ]
        | None
    ) = None
    from_ts: Annotated[int, Meta(ge=0, le=MAX_TIMESTAMP, description="`ts_display` in ms, inclusive.")] | None = field(
        default=None, name="from"
    )
    to_ts: Annotated[int, Meta(ge=0, le=MAX_TIMESTAMP, description="`ts_display` in ms, inclusive.")] | None = field(
        default=None, name="to"
    )
    archived: Annotated[bool, Meta(description="Whether archived rows are shown too.")] = False
    next: Annotated[str, Meta(max_length=512, description="`next` of the page before.")] | None = None

    def as_query(self) -> Query:
        """Raises `InvalidField` for a malformed `next`, and for a `search` that the database would cut short."""
        if self.search and "\0" in self.search:  # LIKE treats it as the end of the pattern
            raise InvalidField("search", f"expected text without NUL, got {self.search[:40]!r}")
        return Query(
            component_id=self.component_id,
            status=tuple(self.status.split(",")) if self.status else None,
            type=tuple(self.type.split(",")) if self.type else None,
            sub_type=self.sub_type,
            by=mask_emails(self.by) if self.by else self.by,
            search=self.search or None,
            from_ts=self.from_ts,
            to_ts=self.to_ts,
            archived=self.archived,
            limit=self.limit,
            skip=self.skip,
            after=_parse_next(self.next) if self.next else None,
        )


class WaitParameters(Struct, frozen=True):
    after: Annotated[str, Meta(description="The cursor to go on from.")] | None = None
    wait: Annotated[float, Meta(ge=0, le=30, description="Seconds to wait for something to happen.")] = 0
    ticket: Annotated[str, Meta(description="As for the streams; good for one poll.")] | None = None


class StreamParameters(Struct, frozen=True):
    after: Annotated[str, Meta(description="The cursor to go on from.")] | None = None
    ticket: Annotated[str, Meta(description="From `POST /tickets`, good once: for pages that have no key.")] | None = (
        None
    )


def encode_next(row: Notification) -> str:
    """The position after `row`, opaque to clients."""
    return base64.urlsafe_b64encode(f"{int(not row.active)}.{row.ts_display}.{row.id}".encode()).decode()


def _parse_next(text: str) -> SortKey:
    try:
        place = _PLACE.match(base64.urlsafe_b64decode(text.encode()).decode())
    except (ValueError, binascii.Error):
        place = None
    if place is None:
        raise InvalidField("next", f"expected the next of an earlier page, got {text[:100]!r}")
    return SortKey(place["finished"] == "1", int(place["ts_display"]), place["id"])
