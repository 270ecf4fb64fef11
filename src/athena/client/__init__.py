"""A client for Athena's HTTP API, and a live stream that survives lost connections.

with Client("http://127.0.0.1:8787") as client:
    client.open({"tx_id": "backup-7", "description": "nightly backup", "total_steps": 2})
    client.edit("backup-7", status="pending", on_step=1, athena_msg="dumping")
    client.edit("backup-7", status="success", on_step=2)

with LiveStream("http://127.0.0.1:8787") as stream:
    for event in stream:
        if isinstance(event, Change):
            print(event.message["message"])
"""

from athena.client.errors import ClientError, InvalidUrl, NotAthena, Refused, Unreachable
from athena.client.http import Client, JsonObject
from athena.client.live import Archived, Backoff, Change, Disconnected, Event, LiveStream, Ready, Reset

__all__ = [
    "Archived",
    "Backoff",
    "Change",
    "Client",
    "ClientError",
    "Disconnected",
    "Event",
    "InvalidUrl",
    "JsonObject",
    "LiveStream",
    "NotAthena",
    "Ready",
    "Refused",
    "Reset",
    "Unreachable",
]
