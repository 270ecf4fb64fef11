"""What people and pages ask of access control, as the types that decode their requests."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from athena.auth.roles import Role

Secret = Annotated[str, Meta(min_length=1, max_length=256)]


class SignIn(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One of the three. `key` and `link` make a session that the browser keeps in a cookie; `ticket` makes one whose
    token is in the answer, for a page on another origin. `role`: only if the ticket is for just that."""

    key: Secret | None = None
    link: Secret | None = None
    ticket: Secret | None = None
    role: Role | None = None


class TicketRequest(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A ticket for one user of yours. `role` is at most your own."""

    name: Annotated[str, Meta(min_length=1, max_length=128, description="Who it is for; e-mail addresses are masked.")]
    role: Role = "viewer"
