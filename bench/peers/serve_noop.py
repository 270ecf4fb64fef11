"""The floor for single edits with a framework: a Starlette route that reads the request and responds."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.peers.asgi import run


async def edit(request: Request) -> Response:
    await request.body()
    return Response(b'{"message":"ok"}', media_type="application/json")


run("a no-op route", Starlette(routes=[Route("/api/v3/webhooks/txs/{tx_id}", edit, methods=["PUT"])]))
