"""What `rvos-bench check` finds out about a model, a corruption or a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from robust_vos_bench.errors import ContractError


@dataclass(frozen=True)
class Finding:
    """One question and its answer: level "ok", "warning" (allowed, but look at it), "broken" or "skipped"."""

    check: str
    level: str
    detail: str = ""
    traceback: str = ""
    """Of the code that was checked, where it raised."""


@dataclass
class Report:
    """All findings about one thing."""

    name: str
    kind: str = "model"
    """"model", "corruption" or "dataset"."""
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    frames: int = 0
    peak_mib: float | None = None
    """Peak resident memory of the process, where the system tells."""

    @property
    def ok(self) -> bool:
        """Whether nothing is broken."""
        return self.count("broken") == 0

    def add(self, check: str, problem: str = "", level: str = "broken", traceback: str = "") -> bool:
        """Note that a check passed, or, with a problem, that it has this level; returns whether it passed."""
        self.findings.append(Finding(check, level, problem, traceback) if problem else Finding(check, "ok"))
        return not problem

    def skip(self, check: str, why: str) -> None:
        """Note that a check does not apply."""
        self.findings.append(Finding(check, "skipped", why))

    def count(self, level: str) -> int:
        """Number of findings of a level."""
        return sum(finding.level == level for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One line: whether the contract is kept, and the counts."""
        word = "data set" if self.kind == "dataset" else self.kind
        broken, warnings, skipped = (self.count(level) for level in ("broken", "warning", "skipped"))
        done = len(self.findings) - skipped
        checks = f"{done} check{'s' * (done != 1)}"
        counts = f"passed: {checks}" if self.ok else f"failed: {broken} of {checks}"
        more = [f"{warnings} warning{'s' * (warnings > 1)}"] * bool(warnings) + [f"{skipped} skipped"] * bool(skipped)
        return f"{word} {self.name!r} {', '.join([counts, *more])}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            self.kind: self.name,
            "ok": self.ok,
            "seconds": round(self.seconds, 3),
            "frames": self.frames,
            "peak_mib": self.peak_mib,
            "findings": [{k: v for k, v in vars(f).items() if v or k != "traceback"} for f in self.findings],
        }


def raise_if_broken(report: Report) -> None:
    """ContractError (exit code 5) that counts what is broken, for callers from Python."""
    if not report.ok:
        raise ContractError(report.verdict)
