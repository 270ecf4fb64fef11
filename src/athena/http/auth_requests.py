"""Request bodies of the access control endpoints."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from athena.auth.roles import Role

Secret = Annotated[str, Meta(min_length=1, max_length=256)]


class SignIn(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Exactly one of `key`, `link` and `ticket`. A key or link opens a session that the browser keeps in a cookie; a
    ticket opens one whose token is in the response, for a page on another origin. `role`, only with a ticket, must be
    the ticket's role."""

    key: Secret | None = None
    link: Secret | None = None
    ticket: Secret | None = None
    role: Role | None = None


class TicketRequest(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A ticket for one of your users. `role` may not exceed your own."""

    name: Annotated[str, Meta(min_length=1, max_length=128, description="Who it is for; e-mail addresses are masked.")]
    role: Role = "viewer"
