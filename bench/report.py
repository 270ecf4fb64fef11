"""The measured figures and their targets: as a table for people and for the docs, as JSON for programs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table


class Target(NamedTuple):
    """A bound that the median must meet: `relation` is "≥" or "≤"."""

    relation: str
    bound: float

    def __str__(self) -> str:
        return f"{self.relation} {_number(self.bound)}"

    def met_by(self, value: float) -> bool:
        return value >= self.bound if self.relation == "≥" else value <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the report: a sample per round, or `missing`, the reason why there is none."""

    group: str
    name: str
    unit: str
    samples: Sequence[float] = ()
    target: Target | None = None
    first: Target | None = None
    """The first target, before it was raised to `target`."""

    note: str = ""
    missing: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def met(self) -> bool | None:
        """None if there is no target, or nothing was measured."""
        return None if self.target is None or self.missing else self.target.met_by(self.median)

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"group": self.group, "name": self.name, "unit": self.unit}
        if self.missing:
            told["missing"] = self.missing
        else:
            told |= {"median": self.median, "min": min(self.samples), "max": max(self.samples)}
            told["samples"] = list(self.samples)
        if self.target is not None:
            told |= {"target": str(self.target), "met": self.met}
        if self.first is not None:
            told |= {"first target": str(self.first)}
        if self.note:
            told["note"] = self.note
        return told


def ratio(
    group: str,
    name: str,
    ours: Figure,
    theirs: Figure,
    target: Target | None = None,
    first: Target | None = None,
) -> Figure:
    """`ours` / `theirs`, round by round: what disturbs one round disturbs both."""
    if ours.missing or theirs.missing:
        return Figure(
            group=group, name=name, unit="×", target=target, first=first, missing=ours.missing or theirs.missing
        )
    samples = [a / b for a, b in zip(ours.samples, theirs.samples, strict=True)]
    return Figure(group=group, name=name, unit="×", samples=samples, target=target, first=first)


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the table."""
    table = Table(title="Athena: speed and memory", title_justify="left")
    for heading in ("figure", "measured", "min–max", "unit", "target", "met?", "first"):
        table.add_column(heading, justify="left" if heading in ("figure", "unit", "met?") else "right")
    for index, figure in enumerate(figures):
        target, first = (str(bound) if bound else "" for bound in (figure.target, figure.first))
        if figure.missing:
            measured, spread = "[yellow]not measured[/]", f"[yellow]{figure.missing}[/]"
        else:
            measured = _number(figure.median)
            spread = f"{_number(min(figure.samples))}–{_number(max(figure.samples))}"
        met = {None: "", True: "[green]yes[/]", False: "[bold red]no[/]"}[figure.met]
        last = index + 1 == len(figures) or figures[index + 1].group != figure.group
        name = f"{figure.name} [dim]({figure.note})[/]" if figure.note else figure.name
        table.add_row(f"{figure.group}: {name}", measured, spread, figure.unit, target, met, first, end_section=last)
    console.print(table)


def write(figures: Sequence[Figure], machine: dict[str, Any], path: Path) -> None:
    """Write everything, including every sample, to `path`, and the table beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".md").write_text(markdown(figures))
    told = {"machine": machine, "figures": [figure.as_dict() for figure in figures]}
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def markdown(figures: Sequence[Figure]) -> str:
    """The table for docs/performance.md, with targeted figures in bold."""
    lines = ["| figure | measured | min–max | target | met |", "|---|---|---|---|---|"]
    for figure in figures:
        bold = "**" if figure.target else ""
        measured = spread = ""
        if figure.missing:
            measured, spread = f"not measured: {figure.missing}", ""
        else:
            measured = f"{bold}{_number(figure.median)} {figure.unit}{bold}"
            spread = f"{_number(min(figure.samples))}–{_number(max(figure.samples))}"
        met = {None: "", True: "yes", False: "no"}[figure.met]
        name = f"{bold}{figure.group}: {figure.name}{bold}"
        lines.append(f"| {name} | {measured} | {spread} | {figure.target or ''} | {met} |")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    """About three significant digits; millions and thousands in a readable form."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g} M"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
