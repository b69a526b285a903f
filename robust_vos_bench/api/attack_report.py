"""What a call of `attack` did, what an audit found, and the errors that these mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robust_vos_bench.analysis.words import plural
from robust_vos_bench.api.prepare import opened
from robust_vos_bench.attacks.audit import Verdict, audit, raise_for_problems
from robust_vos_bench.attacks.flags import merged, told
from robust_vos_bench.attacks.plan import Made
from robust_vos_bench.attacks.shown import lines
from robust_vos_bench.attacks.splits import splits_in
from robust_vos_bench.attacks.store import AttackRecord
from robust_vos_bench.attacks.table import Board
from robust_vos_bench.datasets import Dataset
from robust_vos_bench.errors import DataError, IncompleteError, UsageError
from robust_vos_bench.system.paths import user_path


@dataclass
class AttackReport:
    """What a call of `attack` did.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> report = rvos.attack(
    ...     model="cfbi.lite", threat="linf-prompt-e4", steps=1, limit=1, output="attacked", workers=1, progress=False
    ... )
    >>> sorted(report.folders)
    ['linf-prompt-e4@cfbi.lite', 'noise-prompt-e4']
    """

    folders: dict[str, str] = field(default_factory=dict)
    """Label of a split -> its folder."""
    made: int = 0
    kept: int = 0
    failed: list[Made] = field(default_factory=list)
    board: Board | None = None
    """The tables; None where nothing was scored."""
    records: dict[str, list[AttackRecord]] = field(default_factory=dict)
    """Label of a split -> what is known of its videos."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        failed = [{"split": m.label, "video": m.job.video, "error": str(m.error)} for m in self.failed]
        tables = None if self.board is None else self.board.to_dict()
        return {"folders": self.folders, "made": self.made, "kept": self.kept, "failed": failed, "tables": tables}

    def __str__(self) -> str:
        return "\n".join(lines(self.board)) if self.board is not None else "\n".join(self.told())

    def told(self) -> Iterator[str]:
        """A line per split: its folder, and the mean J&F of its videos where it was made against a model."""
        for label, folder in self.folders.items():
            known = [r for r in self.records.get(label, []) if r.score is not None and r.clean is not None]
            if not known:
                yield folder
                continue
            before, after = (sum(v or 0.0 for v in values) / len(known) for values in (
                [r.clean for r in known], [r.score for r in known]
            ))  # fmt: skip
            flags = merged(flag for record in known for flag in record.flags)
            words = f", flags: {', '.join(flag.name for flag in flags)}" if flags else ""
            yield f"{folder}: J&F {before:.1f} -> {after:.1f}{words}"


def verify(
    folder: str | Path,
    dataset: str | Dataset = "demo",
    data_root: str | Path | None = None,
    videos: Sequence[str] = (),
    limit: int | None = None,
    masks: Sequence[str] = (),
) -> list[Verdict]:
    """Audit the stored splits in a folder: one verdict per split and video. Raises DataError where there is none."""
    data = opened(dataset, data_root, limit, videos, masks)
    return [verdict for split in splits_in(user_path(folder)) for verdict in audit(split, data)]


def raise_for_verdicts(verdicts: list[Verdict]) -> None:
    """Raise DataError where an audit found a problem."""
    raise_for_problems(verdicts)


def raise_for_failures(report: AttackReport) -> None:
    """Raise IncompleteError, with the report as its `partial`, where attacks failed or are no evaluation."""
    if report.failed:
        first = report.failed[0]
        if not report.made and not report.kept and isinstance(first.error, (UsageError, DataError)):
            first.error.partial = report
            raise first.error
        error = IncompleteError(
            f"{plural(len(report.failed), 'attack')} failed. First: {first.label} · {first.job.video}: {first.error}. "
            "The same command tries again"
        )
        error.partial = report
        raise error
    wrong = report.board.errors if report.board is not None else []
    if report.board is None:
        known = [(label, flag) for label, records in report.records.items() for r in records for flag in r.flags]
        wrong = [("", label, flag) for label, flag in known if flag.is_error]
    if wrong:
        model, label, flag = wrong[0]
        where = " · ".join(filter(None, (model, label)))
        error = IncompleteError(
            f"{plural(len(wrong), 'number')} above is no evaluation. First: {where}: {told(flag)}. "
            "docs/adversarial.md says what to do"
        )
        error.partial = report
        raise error
