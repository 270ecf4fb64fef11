from __future__ import annotations

import gzip
import http.client
from importlib.resources import files

import pytest
from tests.support.server import Athena

APOLLO = files("athena").joinpath("apollo")


def get(athena: Athena, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", athena.port, timeout=30)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "name", "kind"),
    [
        ("/", "index.html", "text/html"),
        ("/apollo.js", "apollo.js", "text/javascript"),
        ("/apollo.css", "apollo.css", "text/css"),
    ],
)
def test_apollo_is_served_compressed_and_once(athena: Athena, path: str, name: str, kind: str) -> None:
    built = APOLLO.joinpath(name).read_bytes()
    status, headers, body = get(athena, path)
    assert (status, body) == (200, built)
    assert headers["content-type"].startswith(kind)
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    _, compressed_headers, compressed = get(athena, path, accept_encoding="gzip")
    assert compressed_headers["content-encoding"] == "gzip"
    assert gzip.decompress(compressed) == built
    assert get(athena, path, if_none_match=headers["etag"])[0] == 304


def test_the_script_is_small_enough_to_embed() -> None:
    assert len(gzip.compress(APOLLO.joinpath("apollo.js").read_bytes())) <= 150 * 1024


def test_a_page_is_only_ever_read(athena: Athena) -> None:
    assert athena.request("POST", "/", {})[0] == 404
