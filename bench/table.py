"""What a measurement is, and how a table of them is printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured figure beside its goal and its floor."""

    what: str
    value: float
    goal: float | None
    """None for a property of the machine, which explains other rows."""
    unit: str
    floor: float | None = None
    """The same work without Varflow, measured in the same run."""
    floor_name: str = ""
    is_more_better: bool = False

    @property
    def ratio(self) -> float:
        """How much of the goal is used up: 1 is the goal itself, above is short of it."""
        if self.goal is None:
            return 0.0
        if self.is_more_better:
            return self.goal / self.value if self.value else float("inf")
        return self.value / self.goal

    @property
    def verdict(self) -> str:
        """What the ratio means."""
        if self.goal is None:
            return ""
        if self.ratio <= 1:
            return "ok"
        return "short" if self.ratio <= 1.5 else "FAR SHORT"


HEADINGS = ("what", "measured", "goal", "floor", "of goal", "")


def render(rows: Iterable[Row]) -> str:
    """Return the rows as a table in plain text."""
    lines = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    sign = "≥" if row.is_more_better else "≤"
    floor = "" if row.floor is None else f"{row.floor:,.3g} {row.unit} ({row.floor_name})"
    return (
        row.what,
        f"{row.value:,.3g} {row.unit}",
        "" if row.goal is None else f"{sign} {row.goal:,.3g} {row.unit}",
        floor,
        "" if row.goal is None else f"{row.ratio:.2f}",
        row.verdict,
    )
