"""The access control endpoints: sign-in and sign-out, tickets, sign-in links."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from starlette.requests import Request

from athena.auth.access import Access
from athena.auth.gate import COOKIE, Caller, Gate
from athena.auth.identity import FOREVER, Identity
from athena.auth.roles import covers
from athena.domain.masking import mask_emails
from athena.errors import AthenaError, BadCredentials, Forbidden, InvalidField, NotFound
from athena.http import body
from athena.http.admission import IDENTITY, Admission
from athena.http.answers import Done, IssuedTicket, JsonResponse, Session, SignInLink
from athena.http.auth_requests import SignIn, TicketRequest

_sign_in = msgspec.json.Decoder(SignIn)
_ticket = msgspec.json.Decoder(TicketRequest)

LINK_PATH = "/sign-in#"

SIGN_IN_BYTES = 8 * 1024
"""Maximum size of a sign-in body, which anyone may send."""

MOST_GENERATIONS = 4
"""Maximum length of a chain of sessions, each opened with a ticket from the one before (pages nested in pages)."""


@dataclass(frozen=True, slots=True)
class SessionEndpoints:
    """The handlers and their dependencies. Each raises an `AthenaError` for anything but success."""

    admission: Admission
    max_body: int
    secure: bool
    """Whether browsers connect over https, as far as the settings show."""
    public_url: str
    """The address that people use; empty if it is not set."""

    async def sign_in(self, request: Request) -> JsonResponse:
        """Sign in with a key or a link (the browser gets a cookie), or exchange a ticket for a bearer token."""
        access = self._access()
        caller = self.admission.caller(request.scope)
        self.admission.gate.check_query(caller)
        wanted = await body.decode(request, _sign_in, min(SIGN_IN_BYTES, self.max_body))
        if sum(given is not None for given in (wanted.key, wanted.link, wanted.ticket)) != 1:
            raise InvalidField("body", "expected one of key, link and ticket")
        if wanted.role is not None and wanted.ticket is None:
            raise InvalidField("role", "expected together with a ticket")
        address, scheme = caller.source(self.admission.gate.proxies)
        try:
            if wanted.ticket is not None:
                opened = await access.exchange(wanted.ticket, wanted.role, self.admission.gate.count)
            else:
                opened = await access.sign_in(wanted.key, wanted.link, self.admission.gate.count)
        except BadCredentials as error:
            raise self.admission.gate.failed_sign_in(caller, error) from None
        who = opened.identity
        await access.record(str(who), address, "sign in", "by ticket" if wanted.ticket else "by key or link")
        if wanted.ticket is not None:
            return JsonResponse(Session(who.role, who.name, "session", opened.expires, opened.secret), 201)
        cookie = self._cookie(opened.secret, scheme)
        return JsonResponse(Session(who.role, who.name, "session", opened.expires), 201, {"set-cookie": cookie})

    async def session(self, request: Request) -> JsonResponse:
        """Who the caller is."""
        who: Identity = request.scope[IDENTITY]
        expires = None if who.until == FOREVER else int(who.until)
        return JsonResponse(Session(who.role, who.name, who.kind, expires))

    async def sign_out(self, request: Request) -> JsonResponse:
        """End the session, wherever it is in use. An API key or an identity provider's token stays valid."""
        access = self._access()
        caller = self.admission.caller(request.scope)
        address, scheme = caller.source(self.admission.gate.proxies)
        who: Identity = request.scope[IDENTITY]
        if who.kind == "session":
            bearer = caller.header(b"authorization").partition(" ")[2].strip()
            await access.sign_out(bearer or self.admission.gate.cookie(caller) or "")
            await access.record(str(who), address, "sign out")
        return JsonResponse(Done("signed out"), headers={"set-cookie": self._cookie("", scheme)})

    async def ticket(self, request: Request) -> JsonResponse:
        """Issue a one-time ticket for a user of a page: for a stream (`?ticket=`) or a token (`POST /sessions`)."""
        access = self._access()
        who: Identity = request.scope[IDENTITY]
        wanted = await body.decode(request, _ticket, self.max_body)
        if not covers(who.role, wanted.role):
            self.admission.gate.deny(str(who), self.admission.caller(request.scope), f"give the role {wanted.role}")
            raise Forbidden(f"give the role {wanted.role}", who.role)
        if sum(one.kind == "session" for one in who.chain()) >= MOST_GENERATIONS:
            raise Forbidden(f"make tickets in the {MOST_GENERATIONS + 1}th generation", who.role)
        secret, until = access.tickets.issue(mask_emails(wanted.name), wanted.role, who)
        return JsonResponse(IssuedTicket(secret, int(until)), 201)

    async def sign_in_link(self, request: Request) -> JsonResponse:
        """Issue a one-time link that signs in as the caller."""
        access = self._access()
        who: Identity = request.scope[IDENTITY]
        secret, until = access.links.issue(who.name, who.role, who)
        caller = self.admission.caller(request.scope)
        await access.record(str(who), caller.source(self.admission.gate.proxies)[0], "make a sign-in link")
        return JsonResponse(SignInLink(self.public_url.rstrip("/") + LINK_PATH + secret, int(until)), 201)

    # ---- inside ------------------------------------------------------------------------------------------------------
    def _access(self) -> Access:
        access = self.admission.gate.access
        if access is None:
            raise NotFound("expected access control, got an Athena without it (--auth none): nobody needs to sign in")
        return access

    def _cookie(self, secret: str, scheme: str) -> str:
        """Hidden from scripts and not sent with requests made by other sites' pages; over TLS also never sent in the
        clear, and bound to this host (RFC 6265bis, `__Host-`)."""
        secure = self.secure or scheme == "https"
        name = f"__Host-{COOKIE}" if secure else COOKIE
        ending = "" if secret else "; Max-Age=0"
        return f"{name}={secret}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}{ending}"


def is_signed_in(gate: Gate, caller: Caller) -> bool:
    """Whether a browser that requests a page has a session. This reveals nothing else, so no origin is checked."""
    if gate.access is None:
        return True
    try:
        return gate.access.session(gate.cookie(caller) or "") is not None
    except AthenaError:
        return False
