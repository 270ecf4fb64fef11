import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.auth.origins import Origins, normalized
from athena.errors import StartupError

LISTED = "https://console.example"
OWN = "https://athena.example"
ORIGINS = Origins([LISTED, "http://localhost:3000"], OWN, loopback_only=False)

near = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["https://", "http://", "HTTPS://", "//", "", "null", "file://", "https:/"]),
    st.sampled_from(["", "evil.", "user@", "athena.example@", "console.example#", "console.example/"]),
    st.sampled_from(["console.example", "athena.example", "console.example.", "CONSOLE.example", "localhost:3000"]),
    st.sampled_from(["", ".evil.example", ":443", ":80", ":8443", "/", "\t", " ", "%00", "#", "@evil.example"]),
    st.sampled_from(["", "\n", "?"]),
)


@given(st.text() | near)
def test_nothing_that_is_not_exactly_listed_passes(origin: str) -> None:
    assert ORIGINS.is_listed(origin) == (origin in (LISTED, "http://localhost:3000"))
    assert ORIGINS.is_own(origin, "https", "athena.example") == (origin == OWN)


@given(st.text() | near, st.text())
def test_a_page_is_our_own_only_if_it_came_from_the_address_that_it_asks(origin: str, host: str) -> None:
    if Origins([], "", loopback_only=False).is_own(origin, "http", host):
        assert origin == normalized(f"http://{host}")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("athena.example:80", "http://athena.example"),
        ("[::1]:8787", "http://[::1]:8787"),
        ("Athena.Example", "http://athena.example"),
    ],
)
def test_the_origin_of_ones_own_pages(host: str, origin: str) -> None:
    own = Origins([], "", loopback_only=False)
    assert own.is_own(origin, "http", host)
    assert not own.is_own(origin, "https", host)
    assert not own.is_own(f"{origin}1", "http", host)
    assert not own.is_own("null", "http", host)


def test_origins_are_written_as_browsers_do() -> None:
    assert normalized("HTTPS://Console.Example:443") == "https://console.example"
    assert Origins(["https://console.example:443"], "", loopback_only=False).is_listed(LISTED)


@pytest.mark.parametrize(
    "wrong", ["*", "https://*.example", "console.example", "https://console.example/", "null", "ftp://x", "https://a b"]
)
def test_patterns_and_paths_are_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(StartupError, match="--allow-origin"):
        Origins([wrong], "", loopback_only=False)
    with pytest.raises(StartupError, match="--public-url"):
        Origins([], wrong, loopback_only=False)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8787", "127.0.0.2", "[::1]:8787", "localhost:8787", "LOCALHOST", "a.localhost"]
)
def test_names_of_this_machine(host: str) -> None:
    assert Origins([], "", loopback_only=True).host_is_ours(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "[",
        "[::1",
        "[::2]",
        "a]b",
        "[zz]",
    ],
)
def test_other_names_are_not_ours_without_access_control(host: str) -> None:
    assert not Origins([], "", loopback_only=True).host_is_ours(host)
    assert Origins([], "", loopback_only=False).host_is_ours(host)


@given(st.text())
def test_no_host_breaks_the_decision(host: str) -> None:
    assert Origins([], "", loopback_only=True).host_is_ours(host) in (True, False)
