"""Long clips that come back, and the command that tells how a state holds over them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training import drift, state
from training.images import Stills
from training.trainer import Settings, Trainer


def test_clips_go_out_slowly_and_come_back(stills: Stills) -> None:
    clips = drift.slow_clips(stills, 0, 2, 9, 129)
    assert clips.frames.shape == (2, 9, 3, 129, 129)
    first, middle, last = (clips.labels[:, t] > 0 for t in (0, 4, 8))

    def overlap(one: torch.Tensor, other: torch.Tensor) -> float:
        return float((one & other).sum() / (one | other).sum())

    assert overlap(first, last) > 0.85 > overlap(first, middle)
    assert torch.equal(clips.frames, drift.slow_clips(stills, 0, 2, 9, 129).frames)


def test_the_command_prints_every_frame(
    ecssd: Path, stills: Stills, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = Trainer(Settings("cfbi.lite", batch=1, crop=65), stills)
    state.save(training.state(), tmp_path / "state.pt")
    given = [str(tmp_path), "--data", str(ecssd), "--frames", "4", "--batches", "1", "--side", "65"]
    assert drift.main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("step 0, mean J 0.") and len(lines) == 4
    assert drift.main([str(tmp_path / "nothing"), "--data", str(ecssd)]) == 4
    assert "nothing" in capsys.readouterr().err
