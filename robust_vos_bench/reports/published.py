"""Published scores in one row per model, clearly apart from what was measured here."""

from __future__ import annotations

from dataclasses import dataclass

from robust_vos_bench.analysis.published import Published, PublishedScore


@dataclass(frozen=True)
class PublishedTable:
    """A row per model, a column per data set and metric."""

    columns: tuple[tuple[str, str], ...]
    """(data set, metric)."""
    rows: tuple[tuple[str, tuple[tuple[PublishedScore, ...], ...]], ...]
    """(model, per column the scores, of one source each)."""
    sources: dict[str, tuple[int, str]]
    """Key -> its number in the table, and document and place."""


def published_table(found: Published) -> PublishedTable:
    """Models and columns in the order in which they first occur."""
    columns = tuple(dict.fromkeys((score.dataset, score.metric) for score in found.score))
    cells: dict[str, dict[tuple[str, str], list[PublishedScore]]] = {}
    for score in found.score:
        cells.setdefault(score.model, {}).setdefault((score.dataset, score.metric), []).append(score)
    rows = tuple((model, tuple(tuple(of.get(column, ())) for column in columns)) for model, of in cells.items())
    sources = {key: (i, text) for i, (key, text) in enumerate(found.sources.items(), 1)}
    return PublishedTable(columns, rows, sources)


def cell_words(scores: tuple[PublishedScore, ...], sources: dict[str, tuple[int, str]]) -> str:
    """ "83.8 [1], 84.1 [3]"."""
    return ", ".join(f"{_exact(score.value)} [{sources[score.source][0]}]" for score in scores)


def _exact(value: float) -> str:
    """One decimal, or as many as were published."""
    return f"{value:.1f}" if round(value, 1) == value else f"{value:g}"
