"""Plain pages of tables that are no board of corruptions: as Markdown, and as HTML on the site."""

from __future__ import annotations

from dataclasses import dataclass

from robust_vos_bench.reports.grids import Grid


@dataclass(frozen=True)
class Sheet:
    """One page."""

    name: str
    """File stem."""
    title: str
    lead: str
    """What the numbers are, in one paragraph."""
    tables: tuple[tuple[str, str, Grid], ...]
    """(heading, what is to be known of it, table)."""
    finding: str = ""
    """What was found, in one sentence; "" where nothing was."""
    notes: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()
    """Its cells in the index of the leaderboards: data set, threat, models, videos, the best row."""
