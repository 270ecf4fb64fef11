import pytest

from athena.live.routes import is_live, strip_prefix


@pytest.mark.parametrize("path", ["/", "/ak", "/api/v1/notifications/live", "/ak/api/v3/notifications/live"])
def test_live(path: str) -> None:
    assert is_live(path)


@pytest.mark.parametrize("path", ["", "//", "/x", "/api/v4/notifications/live", "/notifications/live", "/api/v3"])
def test_not_live(path: str) -> None:
    assert not is_live(path)


def test_prefixes() -> None:
    assert strip_prefix("/api/v2/webhooks") == "/webhooks"
    assert strip_prefix("/ak/api/v1/webhooks/txs/a") == "/webhooks/txs/a"
    assert strip_prefix("/api/v12/webhooks") is None
    assert strip_prefix("/x/api/v1/webhooks") is None
