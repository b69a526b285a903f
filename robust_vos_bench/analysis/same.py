"""Whether results may be set side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from robust_vos_bench.analysis.result import Result
from robust_vos_bench.errors import UsageError
from robust_vos_bench.runs.records import Manifest

ADVICE = {
    "data": "If its files were changed, run the older one again; if these are two data sets that share a name, keep "
    "their leaderboards in two folders (--output): their scores cannot be set side by side."
}
"""What to do where results differ, if not to run the older one again."""


def check_same(
    results: Sequence[Result], purpose: str = "share a page", partly: bool = False, data: bool = True
) -> None:
    """Raise UsageError for results that differ in videos, data bytes, protocol or corruption versions.

    purpose: what is refused, for the message. partly: other videos and presets are allowed; conditions of one label
    must still be of one version. data: whether to compare the digests of the data; a run's digest is over all of its
    own videos, so it tells nothing about two runs of different videos.
    """
    first = results[0].manifest
    for result in results[1:]:
        for what in _differences(first, result.manifest, partly, data):
            raise UsageError(
                f"{results[0].model!r} and {result.model!r} cannot {purpose}: they differ in {what}. "
                + ADVICE.get(what, "Run the older one again.")
            )


def _differences(a: Manifest, b: Manifest, partly: bool, data: bool) -> Iterator[str]:
    if a.protocol != b.protocol:
        yield "scoring protocol"
    if a.dataset.name != b.dataset.name:
        yield "data set"
    if not partly and sorted(a.videos) != sorted(b.videos):
        yield "videos"
    if data and a.dataset.index_sha256 != b.dataset.index_sha256:
        yield "data"
    if not partly and a.preset.name == b.preset.name and a.preset.version != b.preset.version:
        yield "preset version"
    if {c.label: c.fingerprint for c in a.conditions} != {c.label: c.fingerprint for c in b.conditions}:
        yield "version of corruptions"
