"""One function a route: decode, ask the service, encode. The table that binds them to addresses is in routes.py."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec
from starlette.requests import Request

import athena
from athena.domain import wire
from athena.domain.lifecycle import Decision
from athena.domain.model import Archive, BulkEdit, BulkOpen, Edit, Notice, Open
from athena.errors import AthenaError, InvalidField, InvalidJson, ShuttingDown, Unauthorized
from athena.http import body
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
from athena.live import longpoll
from athena.live.hub import Hub
from athena.live.sse import PERMIT
from athena.service import Service
from athena.store.base import Query

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
    max_body: int
    max_bulk: int

    # ---- transactions ------------------------------------------------------------------------------------------------
    async def open(self, request: Request) -> JsonResponse:
        """Open a transaction."""
        return JsonResponse(
            wire.transaction(await self.service.open(await body.decode(request, _open, self.max_body))), 201
        )

    async def edit(self, request: Request) -> JsonResponse:
        """Report on a transaction: its status, step, message."""
        tx_id = body.identifier(request.path_params["tx_id"])
        await self.service.edit(tx_id, await body.decode(request, _edit, self.max_body))
        return JsonResponse(Edited(tx_id))

    async def bulk(self, request: Request) -> JsonResponse:
        """Up to 10,000 opens and edits, as a JSON array or one a line, in one commit. A bad one fails alone."""
        raw = await body.read(request, self.max_bulk, body.JSON + body.NDJSON)
        pieces = _pieces(raw, request.headers.get("content-type", ""))
        if len(pieces) > MAX_BULK_LINES:
            raise InvalidField("body", f"expected at most {MAX_BULK_LINES:,} lines, got {len(pieces):,}")
        results: list[BulkResult | None] = [None] * len(pieces)
        good: list[tuple[int, BulkOpen | BulkEdit]] = []
        for index, piece in enumerate(pieces):
            try:
                good.append((index, body.parse(piece, _line)))
            except AthenaError as error:
                results[index] = _failed(_id_of(piece), error)
        if good:
            decided = await self.service.bulk([line for _, line in good])
            for (index, _), (tx_id, outcome) in zip(good, decided, strict=True):
                results[index] = _result(tx_id, outcome)
        return JsonResponse(BulkAnswer([result for result in results if result is not None]))

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
        return JsonResponse(Posted(await self.service.post(await body.decode(request, _notice, self.max_body))))

    async def archive(self, request: Request) -> JsonResponse:
        """Leave notifications out of the everyday history. Unknown ids are passed over."""
        wish = await body.decode(request, _archive, self.max_body)
        done = Done(f"archived {await self.service.archive(wish.notification_ids)} notification(s)")
        await self._record(request, "archive", done.details)
        return JsonResponse(done)

    async def purge(self, request: Request) -> JsonResponse:
        """Delete everything. Every client gets a `reset`."""
        done = Done(f"deleted {await self.service.purge()} notification(s)")
        await self._record(request, "purge", done.details)
        return JsonResponse(done)

    async def changes(self, request: Request) -> JsonResponse:
        """Long poll: what followed `after`, or what comes within `wait` seconds."""
        asked = body.query(request, WaitParameters)
        poll = asyncio.ensure_future(longpoll.poll(self.hub, asked.after, asked.wait))
        with self.hub.tied(poll, request.scope[PERMIT]):
            await asyncio.wait((poll,))
        if poll.cancelled():
            raise Unauthorized
        return JsonResponse(poll.result().as_json())

    # ---- operations --------------------------------------------------------------------------------------------------
    async def healthz(self, request: Request) -> JsonResponse:
        """The process answers."""
        return JsonResponse(Health("ok", athena.__version__))

    async def readyz(self, request: Request) -> JsonResponse:
        """The store answers, and changes are taken."""
        if self.hub.closing:
            raise ShuttingDown
        await self.service.store.position()
        return JsonResponse(Health("ready", athena.__version__))

    # ---- inside ------------------------------------------------------------------------------------------------------
    async def _record(self, request: Request, action: str, detail: str) -> None:
        """Put something irrevocable into the audit log."""
        gate = self.admission.gate
        if gate.access is not None:
            address = self.admission.asked(request.scope).source(gate.proxies)[0]
            await gate.access.record(str(request.scope[IDENTITY]), address, action, detail)


def _pieces(raw: bytes, content_type: str) -> list[bytes] | list[msgspec.Raw]:
    """The lines of a bulk: by its type, and where that is plain JSON, by whether it begins as an array."""
    if content_type.partition(";")[0].strip().lower() in body.NDJSON or not raw.lstrip().startswith(b"["):
        lines = [line for line in raw.split(b"\n") if line.strip()]
        if not lines:
            raise InvalidJson("body: expected a JSON array or one JSON object a line, got nothing", field="body")
        return lines
    return body.parse(raw, _array)


def _id_of(piece: bytes | msgspec.Raw) -> str | None:
    """The id of a line that could not be read, if that much can be made out."""
    try:
        tx_id = msgspec.json.decode(piece)["tx_id"]
    except (msgspec.DecodeError, KeyError, TypeError, UnicodeDecodeError, RecursionError):
        return None
    return tx_id[:128] if isinstance(tx_id, str) else None


def _result(tx_id: str, outcome: Decision | AthenaError) -> BulkResult:
    return _failed(tx_id, outcome) if isinstance(outcome, AthenaError) else BulkResult(tx_id, 200)


def _failed(tx_id: str | None, error: AthenaError) -> BulkResult:
    return BulkResult(tx_id, error.status, error.code, str(error), error.data.get("field"))
