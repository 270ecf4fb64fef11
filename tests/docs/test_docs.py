"""The docs match the code: tables and diagrams are compared with the code that they describe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from athena import errors
from athena.config import SETTINGS, Setting
from athena.domain import wire
from athena.domain.lifecycle import diagram
from athena.http.answers import error_codes
from athena.http.routes import ROUTES
from athena.live import hub, slow, websocket

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])


def text(name: str) -> str:
    return (DOCS / name).read_text()


def classes(root: type[errors.AthenaError]) -> Iterator[type[errors.AthenaError]]:
    for child in root.__subclasses__():
        yield child
        yield from classes(child)


def settings_row(setting: Setting) -> str:
    flag = f"`{setting.flag}`" if setting.flag else "–"
    default = str(setting.default).lower() if isinstance(setting.default, bool) else setting.default
    return f"| {flag} | `{setting.variable}` | {f'`{default}`' if default != '' else '–'} | {setting.help} |"


def test_settings() -> None:
    for group in dict.fromkeys(setting.group for setting in SETTINGS):
        table = "\n".join(settings_row(setting) for setting in SETTINGS if setting.group == group)
        assert f"## {group}\n\n| flag | variable | default | |\n|---|---|---|---|\n{table}\n" in text("settings.md")


def test_the_lifecycle_diagram_is_the_table() -> None:
    assert diagram() in text("lifecycle.md")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_described_with_what_it_needs(route: object) -> None:
    assert f"| `{route.method} {route.path}` | {route.needs} |" in text("api.md")  # type: ignore[attr-defined]


def test_every_error_that_leaves_athena_is_described() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", text("api.md"), re.MULTILINE))
    for error in classes(errors.AthenaError):
        if not issubclass(error, errors.CommandError) and "code" in vars(error):
            assert table.get(error.code) == str(error.status), error.code
    assert sorted(table) == error_codes(), "what is counted in the metrics, too"


def test_every_error_class_is_documented() -> None:
    for error in classes(errors.AthenaError):
        assert error.__doc__
        assert error.__doc__ != error.__base__.__doc__


def test_the_drawing_of_errors_is_the_tree() -> None:
    def drawn(root: type[errors.AthenaError], indent: str = "") -> Iterator[str]:
        children = [child for child in root.__subclasses__() if child.__module__ == errors.__name__]
        for child in children:
            last = child is children[-1]
            status = "–" if issubclass(child, errors.CommandError) else child.status
            yield f"{indent}{'└' if last else '├'}── {child.__name__} {status}"
            yield from drawn(child, indent + ("    " if last else "│   "))

    assert errors.__doc__ is not None
    lines = re.findall(r"^([│├└─ ]+\w+) +(\d{3}|–)", errors.__doc__, re.MULTILINE)
    assert [f"{name} {status}" for name, status in lines] == list(drawn(errors.AthenaError))


def test_every_message_type_and_close_code_is_described() -> None:
    page = text("live.md")
    for message in wire.LiveMessage.__args__:
        assert f"| `{message.__struct_config__.tag}` |" in page
    for code in (
        hub.GOING_AWAY,
        hub.INTERNAL_ERROR,
        slow.TRY_AGAIN_LATER,
        websocket.INVALID_DATA,
        hub.POLICY_VIOLATION,
        1002,
        1009,
    ):
        assert f"| {code} |" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_test_that_the_docs_name_is_there() -> None:
    named = {(page.name, path) for page in PAGES for path in re.findall(r"`(tests/[\w/.-]+)`", page.read_text())}
    assert len(named) > 10
    for page, path in sorted(named - {("architecture.md", "tests/a/test_b.py")}):
        assert (ROOT / path).exists(), f"{page}: {path}"
