"""What the site shows of one result: scores per family, and what the row opens to."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass

from robust_vos_bench.analysis.access import ACCESS, weights_access
from robust_vos_bench.analysis.intervals import Interval
from robust_vos_bench.analysis.leaderboard import Page, Row
from robust_vos_bench.analysis.levels import drop_map
from robust_vos_bench.analysis.words import points
from robust_vos_bench.reports.charts.canvas import Canvas, marker
from robust_vos_bench.reports.charts.score import score_range
from robust_vos_bench.reports.grids import span
from robust_vos_bench.reports.heat import Heat, by_severity, scale_of
from robust_vos_bench.system.json import to_json

ALL = "all"
"""Stands for the mean over all corruptions among the families."""


@dataclass(frozen=True)
class Entry:
    """One result on the site."""

    board: Board
    row: Row
    place: int
    """In the order of the board's table."""
    access: str
    """Whether others can get the weights: a key of `access.ACCESS`."""
    scores: dict[str, Interval]
    """Family, or `ALL`, -> J&F."""
    heat: Heat

    @property
    def id(self) -> str:
        """For links within a page."""
        return f"{self.board.name}-{self.place + 1}"

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.row.model

    @property
    def clean(self) -> float:
        """P."""
        return self.row.scores.summary.p

    @property
    def access_words(self) -> str:
        """For a reader."""
        return ACCESS[self.access]

    @property
    def severities(self) -> list[tuple[int, float]]:
        """Mean J&F per severity, clean first."""
        summary = self.row.scores.summary
        return [(0, summary.p), *summary.severities.items()]

    @property
    def command(self) -> str:
        """What repeats the result; "" where it is not recorded."""
        latest = self.row.result.manifest.latest
        if latest is None:
            return ""
        return shlex.join(latest.command) if latest.command else latest.call

    @property
    def told(self) -> str:
        """JSON for the script of the page: what it filters, sorts and exports by."""
        scores = {k: [_number(v.value), _number(v.low), _number(v.high)] for k, v in self.scores.items()}
        return to_json(
            {
                "model": self.model,
                "dataset": self.board.page.dataset,
                "preset": self.board.page.preset,
                "board": self.board.name,
                "access": self.access,
                "clean": _number(self.clean),
                "rank": self.row.rank.rank if self.row.rank else None,
                "scores": scores,
                "severities": {str(s): _number(v) for s, v in self.severities},
                "weights": self.row.result.manifest.models[0].weights_sha256,
                "license": self.row.result.manifest.models[0].license,
                "trained_on_test_data": list(self.row.overlap),
                "command": self.command,
                "run": self.row.result.manifest.run_id,
            }
        )


@dataclass(frozen=True)
class Board:
    """One page of the leaderboards on the site."""

    name: str
    """Permanent name of its file, without `.html`."""
    page: Page
    place: int
    """Among all boards."""
    finding: list[str]
    """In sentences, the first of which stands alone."""
    notes: list[str]
    """Paragraphs that were written below its tables by hand."""

    @property
    def videos(self) -> str:
        """ "8 of 20 videos", or "5 videos"."""
        whole = self.page.manifest.dataset.videos_in_split
        shown = self.page.videos + self.page.unscored
        return f"{self.page.videos} videos" if shown >= whole else f"{self.page.videos} of {whole} videos"

    @property
    def title(self) -> str:
        """Data set and what was done to it."""
        return f"{self.page.dataset} · {self.page.preset}"


def board_entries(board: Board) -> list[Entry]:
    """The rows of a board, in its order."""
    maps = [drop_map(board.page.table, row.scores) for row in board.page.rows]
    scale = scale_of(maps)
    found = []
    for place, (row, shown) in enumerate(zip(board.page.rows, maps)):
        mean = row.scores.interval("mPC") or Interval(math.nan, math.nan, math.nan)
        scores = {ALL: mean, **row.scores.families}
        access = weights_access(row.result.manifest.models[0])
        found.append(Entry(board, row, place, access, scores, by_severity(shown, scale, place)))
    return found


def scatter(entries: list[Entry], by_board: bool) -> Canvas | None:
    """Corrupted against clean, one mark per result; colours are models, or boards where there are several."""
    known = [e for e in entries if not math.isnan(e.clean + e.scores[ALL].value)]
    if not known:
        return None
    low, high = score_range([v for e in known for v in (e.clean, *(s.value for s in e.scores.values()))])
    chart = Canvas(
        "J&F under corruption against clean J&F, one mark per result",
        (low, high),
        (low, high),
        640,
        380,
        38,
        14,
        28,
        38,
    )
    chart.axes("clean J&F", "J&F under corruption")
    chart.line(chart.at(low, low), chart.at(high, high), "equal")
    for entry in reversed(known):
        place = entry.board.place if by_board else entry.place
        score = entry.scores[ALL]
        said = f"{points(entry.clean)} clean, {points(score.value)} ({span(score)}) corrupted"
        said = f"{entry.model}\n{entry.board.title}\n{said}"
        chart.add(marker(place, *chart.at(entry.clean, score.value), 5, said, row=entry.id))
    return chart


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
