"""One function per route: decode, call the service, encode. The table that maps paths to them is in routes.py."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec
from starlette.requests import Request

import athena
from athena.domain import wire
from athena.domain.model import Archive, Edit, Notice, Notification, Open
from athena.errors import BadCredentials, StoreUnavailable
from athena.http import body, bulk, idempotency
from athena.http.admission import IDENTITY, Admission
from athena.http.answers import (
    ClientGone,
    Done,
    Edited,
    Health,
    History,
    JsonResponse,
    Posted,
    Templates,
    Webhooks,
)
from athena.http.parameters import HistoryParameters, Paging, WaitParameters, encode_next
from athena.http.readiness import Readiness
from athena.live import longpoll
from athena.live.hub import Hub
from athena.live.sse import PERMIT
from athena.live.streams import disconnected
from athena.service import Service
from athena.store.base import Answer, IdempotencyKey, Query

log = logging.getLogger("athena.http")

T = TypeVar("T")

_open = msgspec.json.Decoder(Open)
_edit = msgspec.json.Decoder(Edit)
_notice = msgspec.json.Decoder(Notice)
_archive = msgspec.json.Decoder(Archive)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The handlers and their dependencies. Each raises an `AthenaError` for anything but success."""

    service: Service
    hub: Hub
    admission: Admission
    readiness: Readiness
    max_body: int
    max_bulk: int

    # ---- transactions ------------------------------------------------------------------------------------------------
    async def open(self, request: Request) -> JsonResponse:
        """Open a transaction."""
        opening, key = await self._decode_keyed(request, _open)
        return _response(await self.service.open(opening, _opened, key), 201)

    async def edit(self, request: Request) -> JsonResponse:
        """Report progress of a transaction: status, step, message."""
        tx_id = body.identifier(request.path_params["tx_id"])
        edit, key = await self._decode_keyed(request, _edit)
        return _response(await self.service.edit(tx_id, edit, _edited, key))

    async def bulk(self, request: Request) -> JsonResponse:
        """Up to 10,000 opens and edits, as a JSON array or one per line, in one commit. A bad one fails alone."""
        raw = await body.read(request, self.max_bulk, body.JSON + body.NDJSON)
        key = idempotency.key_of(request, raw)
        lines, bad = await bulk.read(raw, request.headers.get("content-type", ""))
        return _response(await self.service.bulk(lines, partial(bulk.answer, bad), key))

    async def transaction(self, request: Request) -> JsonResponse:
        """A transaction with all its messages."""
        tx_id = body.identifier(request.path_params["tx_id"])
        return JsonResponse(wire.transaction(*await self.service.transaction(tx_id)))

    async def webhooks(self, request: Request) -> JsonResponse:
        """All transactions, pending first, then newest finished."""
        paging = body.query(request, Paging)
        page = await self.service.history(
            Query(type=("webhook_tx",), archived=True, limit=paging.limit, skip=paging.skip)
        )
        rows = [wire.transaction(row) for row in page.rows]
        return JsonResponse(Webhooks(total=page.total_transactions, matches=len(rows), webhooks=rows))

    async def templates(self, request: Request) -> JsonResponse:
        """The transactions of sub-type `template`, pending first, then newest finished."""
        paging = body.query(request, Paging)
        page = await self.service.history(
            Query(type=("webhook_tx",), sub_type="template", archived=True, limit=paging.limit, skip=paging.skip)
        )
        return JsonResponse(Templates([wire.transaction(row) for row in page.rows]))

    # ---- notifications -----------------------------------------------------------------------------------------------
    async def history(self, request: Request) -> JsonResponse:
        """The history: active notifications first, then newest first."""
        query = body.query(request, HistoryParameters).as_query()
        with self.admission.gate.searching(request.scope[IDENTITY]) if query.search else nullcontext():
            page = await self.service.history(query)
        return JsonResponse(
            History(
                total=page.total,
                returning=len(page.rows),
                notifications=[wire.row(row) for row in page.rows],
                cursor=str(self.hub.reached(page.position)),
                next=encode_next(page.rows[-1]) if page.more else None,
            )
        )

    async def post(self, request: Request) -> JsonResponse:
        """Post a generic notice: something that has happened, without steps."""
        notice, key = await self._decode_keyed(request, _notice)
        return _response(await self.service.post(notice, _posted, key))

    async def archive(self, request: Request) -> JsonResponse:
        """Archive notifications, which hides them from the default history. Unknown ids are ignored."""
        archive, key = await self._decode_keyed(request, _archive)
        answer = await self.service.archive(archive.notification_ids, partial(_done, "archived"), key)
        await self._record(request, "archive", answer)
        return _response(answer)

    async def purge(self, request: Request) -> JsonResponse:
        """Delete everything. Every client gets a `reset`."""
        key = idempotency.key_of(request, b"")
        answer = await self.service.purge(partial(_done, "deleted"), key)
        await self._record(request, "purge", answer)
        return _response(answer)

    async def changes(self, request: Request) -> JsonResponse | ClientGone:
        """Long poll: the changes after `after`, or else the first to come within `wait` seconds."""
        asked = body.query(request, WaitParameters)
        poll = asyncio.ensure_future(longpoll.poll(self.hub, asked.after, asked.wait))
        gone = asyncio.ensure_future(disconnected(request.receive))
        try:
            with self.hub.streams.tied(poll, request.scope[PERMIT], "longpoll"):
                await asyncio.wait((poll, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if poll.cancelled():
            raise BadCredentials("a key, session or token")
        if not poll.done():
            poll.cancel()
            return ClientGone()
        return JsonResponse(poll.result().as_json())

    # ---- operations --------------------------------------------------------------------------------------------------
    async def healthz(self, request: Request) -> JsonResponse:
        """Liveness: the process responds."""
        return JsonResponse(Health("ok", athena.__version__))

    async def readyz(self, request: Request) -> JsonResponse:
        """Readiness: the store accepts changes, the disk has room, nothing waits for long, and keys are current."""
        return JsonResponse(await self.readiness.answer())

    # ---- inside ------------------------------------------------------------------------------------------------------
    async def _decode_keyed(
        self, request: Request, decoder: msgspec.json.Decoder[T]
    ) -> tuple[T, IdempotencyKey | None]:
        """The decoded body of an ordinary request, and its idempotency key, if it has one."""
        raw = await body.read(request, self.max_body, body.JSON)
        return body.parse(raw, decoder), idempotency.key_of(request, raw)

    async def _record(self, request: Request, action: str, answer: Answer) -> None:
        """Record an irreversible action in the audit log. Also when the answer is only replayed: the first request may
        have ended before it was recorded."""
        gate = self.admission.gate
        if gate.access is not None:
            address = self.admission.caller(request.scope).source(gate.proxies)[0]
            detail = msgspec.json.decode(answer.body, type=Done).details
            if answer.replayed:
                detail += ", told again"
            try:
                await gate.access.record(str(request.scope[IDENTITY]), address, action, detail)
            except StoreUnavailable as error:  # it is done, so the response must not be an error
                log.error("what was done will be written into the audit log later: %s", error.why)


# ---- answers ---------------------------------------------------------------------------------------------------------
def _response(answer: Answer, status: int = 200) -> JsonResponse:
    return JsonResponse(answer.body, status, idempotency.REPLAYED if answer.replayed else None)


def _opened(transaction: Notification) -> bytes:
    return body.answer(wire.transaction(transaction))


def _edited(tx_id: str) -> bytes:
    return body.answer(Edited(tx_id))


def _posted(notice_id: str) -> bytes:
    return body.answer(Posted(notice_id))


def _done(action: str, count: int) -> bytes:
    return body.answer(Done(f"{action} {count} notification(s)"))
