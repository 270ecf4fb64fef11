"""One server for all attacks of a module, and what must hold after each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.calls import call, open_tx
from tests.e2e.subscribers import PythonSubscriber
from tests.hardening.wire import check_log
from tests.support.server import Athena


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Athena]:
    """It waits a second for a request to arrive."""
    data = tmp_path_factory.mktemp("hardening") / "athena-data"
    with Athena(data, "--handshake-timeout", "1") as athena:
        yield athena
        athena.stop()
        check_log(athena.log())  # including lines that were not yet written when a test checked


@pytest.fixture
def target(server: Athena) -> Iterator[Athena]:
    """The server under attack. Afterwards it is alive, a client connected throughout gets its push, there was no
    internal error, and the log contains only complete lines written by the server."""
    logged = server.log().rfind("\n") + 1
    with PythonSubscriber(server) as bystander:
        yield server
        assert call(server, "GET", "/healthz").status == 200
        tx_id = open_tx(server)
        bystander.receive_of(tx_id)
    check_log(server.log()[logged:])
