"""One function a route: decode, ask the service, encode. The table that binds them to addresses is in routes.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec
from starlette.requests import Request

import athena
from athena.domain import wire
from athena.domain.lifecycle import Decision
from athena.domain.masking import mask_emails
from athena.domain.model import Archive, BulkEdit, BulkOpen, Edit, Notice, Notification, Open
from athena.errors import AthenaError, InvalidField, InvalidJson, Unauthorized
from athena.http import body, idempotency
from athena.http.admission import IDENTITY, Admission
from athena.http.answers import (
    BulkAnswer,
    BulkResult,
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
from athena.service import Service
from athena.store.base import Answered, Key, Query

T = TypeVar("T")

MAX_BULK_LINES = 10_000

_open = msgspec.json.Decoder(Open).decode
_edit = msgspec.json.Decoder(Edit).decode
_notice = msgspec.json.Decoder(Notice).decode
_archive = msgspec.json.Decoder(Archive).decode
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_line = msgspec.json.Decoder(BulkOpen | BulkEdit).decode


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The handlers, with what they need. Each raises an `AthenaError` for everything that is not a success."""

    service: Service
    hub: Hub
    admission: Admission
    readiness: Readiness
    max_body: int
    max_bulk: int

    # ---- transactions ------------------------------------------------------------------------------------------------
    async def open(self, request: Request) -> JsonResponse:
        """Open a transaction."""
        wish, key = await self._wish(request, _open)
        return _told(await self.service.open(wish, _opened, key), 201)

    async def edit(self, request: Request) -> JsonResponse:
        """Report on a transaction: its status, step, message."""
        tx_id = body.identifier(request.path_params["tx_id"])
        wish, key = await self._wish(request, _edit)
        return _told(await self.service.edit(tx_id, wish, _edited, key))

    async def bulk(self, request: Request) -> JsonResponse:
        """Up to 10,000 opens and edits, as a JSON array or one a line, in one commit. A bad one fails alone."""
        raw = await body.read(request, self.max_bulk, body.JSON + body.NDJSON)
        key = idempotency.key_of(request, raw)
        pieces = _pieces(raw, request.headers.get("content-type", ""))
        if len(pieces) > MAX_BULK_LINES:
            raise InvalidField("body", f"expected at most {MAX_BULK_LINES:,} lines, got {len(pieces):,}")
        lines, bad = _lines(pieces)

        def answer(decided: Iterable[tuple[str, Decision | AthenaError]]) -> bytes:
            results = [
                BulkResult(tx_id, 200) if isinstance(outcome, Decision) else _failed(tx_id, outcome)
                for tx_id, outcome in decided
            ]
            if bad:
                others = iter(results)
                results = [bad.get(index) or next(others) for index in range(len(pieces))]
            return body.answer(BulkAnswer(results))

        return _told(await self.service.bulk(lines, answer, key))

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
        """The transactions of sub-type `template`, in the same order."""
        paging = body.query(request, Paging)
        page = await self.service.history(
            Query(type=("webhook_tx",), sub_type="template", archived=True, limit=paging.limit, skip=paging.skip)
        )
        return JsonResponse(Templates([wire.transaction(row) for row in page.rows]))

    # ---- notifications -----------------------------------------------------------------------------------------------
    async def history(self, request: Request) -> JsonResponse:
        """The history: active ones first, then newest first."""
        page = await self.service.history(body.query(request, HistoryParameters).as_query())
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
        """A generic notice: something that has happened, with no steps."""
        wish, key = await self._wish(request, _notice)
        return _told(await self.service.post(wish, _posted, key))

    async def archive(self, request: Request) -> JsonResponse:
        """Leave notifications out of the everyday history. Unknown ids are passed over."""
        wish, key = await self._wish(request, _archive)
        told = await self.service.archive(wish.notification_ids, partial(_done, "archived"), key)
        await self._record(request, "archive", told)
        return _told(told)

    async def purge(self, request: Request) -> JsonResponse:
        """Delete everything. Every client gets a `reset`."""
        key = idempotency.key_of(request, b"")
        told = await self.service.purge(partial(_done, "deleted"), key)
        await self._record(request, "purge", told)
        return _told(told)

    async def changes(self, request: Request) -> JsonResponse:
        """Long poll: what followed `after`, or what comes within `wait` seconds."""
        asked = body.query(request, WaitParameters)
        poll = asyncio.ensure_future(longpoll.poll(self.hub, asked.after, asked.wait))
        with self.hub.streams.tied(poll, request.scope[PERMIT], "longpoll"):
            await asyncio.wait((poll,))
        if poll.cancelled():
            raise Unauthorized
        return JsonResponse(poll.result().as_json())

    # ---- operations --------------------------------------------------------------------------------------------------
    async def healthz(self, request: Request) -> JsonResponse:
        """The process answers."""
        return JsonResponse(Health("ok", athena.__version__))

    async def readyz(self, request: Request) -> JsonResponse:
        """The store takes changes, the disk has room, and nothing waits for long."""
        return JsonResponse(await self.readiness.answer())

    # ---- inside ------------------------------------------------------------------------------------------------------
    async def _wish(self, request: Request, decoder: Callable[[bytes], T]) -> tuple[T, Key | None]:
        """What an ordinary request asks for, and the key that makes it one to be done once."""
        raw = await body.read(request, self.max_body, body.JSON)
        return body.parse(raw, decoder), idempotency.key_of(request, raw)

    async def _record(self, request: Request, action: str, told: Answered) -> None:
        """Put something irrevocable into the audit log. Also when it was only told again: the first time may have ended
        before it was recorded."""
        gate = self.admission.gate
        if gate.access is not None:
            address = self.admission.asked(request.scope).source(gate.proxies)[0]
            detail = msgspec.json.decode(told.body, type=Done).details
            if told.again:
                detail += ", told again"
            await gate.access.record(str(request.scope[IDENTITY]), address, action, detail)


# ---- answers ---------------------------------------------------------------------------------------------------------
def _told(told: Answered, status: int = 200) -> JsonResponse:
    return JsonResponse(told.body, status, idempotency.REPLAYED if told.again else None)


def _opened(transaction: Notification) -> bytes:
    return body.answer(wire.transaction(transaction))


def _edited(tx_id: str) -> bytes:
    return body.answer(Edited(tx_id))


def _posted(notice_id: str) -> bytes:
    return body.answer(Posted(notice_id))


def _done(action: str, count: int) -> bytes:
    return body.answer(Done(f"{action} {count} notification(s)"))


# ---- bulk ------------------------------------------------------------------------------------------------------------
def _pieces(raw: bytes, content_type: str) -> list[bytes] | list[msgspec.Raw]:
    """The lines of a bulk: by its type, and where that is plain JSON, by whether it begins as an array."""
    if content_type.partition(";")[0].strip().lower() in body.NDJSON or not raw.lstrip().startswith(b"["):
        lines = [line for line in raw.split(b"\n") if line.strip()]
        if not lines:
            raise InvalidJson("body: expected a JSON array or one JSON object a line, got nothing", field="body")
        return lines
    return body.parse(raw, _array)


def _lines(pieces: Sequence[bytes | msgspec.Raw]) -> tuple[list[BulkOpen | BulkEdit], dict[int, BulkResult]]:
    """What the lines ask for, in order, and by their index the answers to those that cannot be read."""
    try:
        return [_line(piece) for piece in pieces], {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # once more, to find out about each: nearly always all are good, and none needs a look of its own
    lines: list[BulkOpen | BulkEdit] = []
    bad: dict[int, BulkResult] = {}
    for index, piece in enumerate(pieces):
        try:
            lines.append(body.parse(piece, _line))
        except AthenaError as error:
            bad[index] = _failed(_id_of(piece), error)
    return lines, bad


def _id_of(piece: bytes | msgspec.Raw) -> str | None:
    """The id of a line that could not be read, if that much can be made out."""
    try:
        tx_id = msgspec.json.decode(piece)["tx_id"]
    except (msgspec.DecodeError, KeyError, TypeError, UnicodeDecodeError, RecursionError):
        return None
    return tx_id[:128] if isinstance(tx_id, str) else None


def _failed(tx_id: str | None, error: AthenaError) -> BulkResult:
    """Of what a line held, nothing is repeated that must not be stored: the answer may be kept for a retry."""
    shown = None if tx_id is None else mask_emails(tx_id)
    return BulkResult(shown, error.status, error.code, mask_emails(str(error)), error.data.get("field"))
