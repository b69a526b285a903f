"""`corrupt`, `score`, `verify_dataset` and the public names."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

import robust_vos_bench as rvos


def flags(command: click.Command) -> set[str]:
    """Long flags of a command as Python words."""
    return {
        next(o for o in p.opts if o.startswith("--")).lstrip("-").replace("-", "_")
        for p in command.params
        if isinstance(p, click.Option)
    }


def test_corrupt_writes_what_a_run_sees(clips: Path) -> None:
    asked = {"severity": 3, "dataset": "folder", "data_root": clips, "output": "bad", "progress": False}
    report = rvos.corrupt("salt_and_pepper", **asked)  # type: ignore[arg-type]
    assert report.written == 2 and not report.failed
    folder = report.folders["salt_and_pepper-3-frame"]
    words = {"model": "flow", "dataset": "folder", "workers": 1, "progress": False}
    stored = rvos.run(**words, corruption="clean", data_root=folder, output="stored")  # type: ignore[arg-type]
    words |= {"corruption": "salt_and_pepper", "severity": 3, "data_root": clips, "output": "made"}
    made = rvos.run(**words)  # type: ignore[arg-type]
    assert stored.scores["J&F"].tolist() == made.scores.query("severity == 3")["J&F"].tolist()
    again = rvos.corrupt("salt_and_pepper", **asked)  # type: ignore[arg-type]
    assert again.kept == 2 and again.written == 0


def test_corrupt_needs_to_know_what(clips: Path) -> None:
    with pytest.raises(rvos.UsageError, match="say what to do to the frames"):
        rvos.corrupt(output="x", dataset="folder", data_root=clips)
    with pytest.raises(rvos.UsageError, match="unknown format 'gif'; use png or jpg"):
        rvos.corrupt("fog", output="x", format="gif", dataset="folder", data_root=clips)


def test_videos_that_cannot_be_written_are_told(clips: Path) -> None:
    (clips / "JPEGImages" / "b" / "00003.png").write_bytes(b"no picture")
    with pytest.raises(rvos.IncompleteError, match="1 video could not be written") as caught:
        rvos.corrupt("salt_and_pepper", severity=1, dataset="folder", data_root=clips, output="bad", progress=False)
    (failed,) = caught.value.partial.failed
    assert failed.task.video == "b" and "00003.png" in str(failed.error) and caught.value.partial.written == 1


def test_score_gives_the_numbers_of_the_run(clips: Path) -> None:
    run = rvos.run(
        "flow", "clean", dataset="folder", data_root=clips, save_masks=True, workers=1, progress=False, output="out"
    )
    found = rvos.score("out/masks/flow/clean", dataset="folder", data_root=clips, progress=False)
    table = found.table()
    assert table["J&F"].tolist() == run.scores["J&F"].tolist() and table["video"].tolist() == ["a", "b"]
    assert found.overall["J&F-Mean"] == pytest.approx(run.scores["J&F"].mean())
    assert json.loads(found.to_json())["objects"][0]["J-Mean"] == run.scores["J"][0]
    assert "mean of 2" in str(found) and "<table" in found._repr_html_()


def test_score_names_the_file(clips: Path) -> None:
    with pytest.raises(rvos.DataError, match="nowhere"):
        rvos.score("nowhere", dataset="folder", data_root=clips, progress=False)


def test_verify(clips: Path) -> None:
    assert rvos.verify_dataset("folder", clips, workers=1, progress=False).ok
    (clips / "Annotations" / "a" / "00002.png").write_bytes(b"no picture")
    found = rvos.verify_dataset("folder", clips, workers=1, progress=False)
    assert not found.ok and "00002.png" in str(found.problems[0].file)


def test_arguments_are_the_flags() -> None:
    from robust_vos_bench.cli.attack import command as attack
    from robust_vos_bench.cli.corrupt import command as corrupt
    from robust_vos_bench.cli.score import command as score

    assert flags(corrupt) - {"preview", "json", "dry_run", "config", "quiet"} == set(
        inspect.signature(rvos.corrupt).parameters
    ) - {"progress"}
    assert flags(attack) - {"verify", "json", "dry_run", "config", "quiet"} == set(
        inspect.signature(rvos.attack).parameters
    ) - {"progress"}
    renamed = {"no_last_frame": "last_frame"}
    assert {renamed.get(f, f) for f in flags(score)} - {"json", "output", "official_csv", "quiet"} == set(
        inspect.signature(rvos.score).parameters
    ) - {"progress"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, robust_vos_bench; assert len(robust_vos_bench.__all__) > 20;"
        "print([m for m in ('torch', 'numpy', 'pandas', 'cv2', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(rvos.__all__))
def test_public_names_are_there_and_documented(name: str) -> None:
    found = getattr(rvos, name)
    assert name == "__version__" or inspect.getdoc(found)
