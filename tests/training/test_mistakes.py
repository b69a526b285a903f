"""False regions in remembered masks: repeatable, only between valid slots, and only where they are meant to be."""

from __future__ import annotations

import pytest
import torch

from training import trainer
from training.images import Stills
from training.keys import generator
from training.mistakes import SHARES, mistaken
from training.trainer import Settings, Trainer


def _labels(samples: int) -> torch.Tensor:
    labels = torch.zeros(samples, 65, 65, dtype=torch.long)
    labels[:, 10:40, 20:50] = 1
    return labels


def test_regions_change_some_clips_and_know_valid_slots_only() -> None:
    labels, valid = _labels(64), torch.tensor([[True, True, False]] * 64)
    out = mistaken(labels, valid, generator(0, "x"))
    assert torch.equal(out, mistaken(labels, valid, generator(0, "x"))) and torch.equal(labels, _labels(64))
    assert not torch.equal(out, mistaken(labels, valid, generator(0, "y")))
    changed = (out != labels).flatten(1).float().mean(1)
    assert set(out.unique().tolist()) == {0, 1}
    assert abs(float((changed > 0).float().mean()) - SHARES[0]) < 0.2 and float(changed.max()) < 0.5
    lost, grown = ((labels == 1) & (out == 0)).any(), ((labels == 0) & (out == 1)).any()
    assert lost and grown


def test_a_clip_without_objects_has_nothing_to_mistake() -> None:
    labels = torch.zeros(4, 33, 33, dtype=torch.long)
    assert torch.equal(mistaken(labels, torch.tensor([[True, False]] * 4), generator(0)), labels)


def test_they_begin_when_the_network_feeds_on_its_own_answers(stills: Stills, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def noted(labels: torch.Tensor, *rest: object) -> torch.Tensor:
        calls.append(len(labels))
        return labels

    monkeypatch.setattr(trainer, "mistaken", noted)
    training = Trainer(Settings("cfbi.lite", batch=1, crop=65), stills)
    training.advance()
    assert not calls
    training.step = trainer.MISTAKES_FROM
    training.advance()
    assert calls == [1, 1]


def test_fewer_are_made_once_surfaces_are_renewed() -> None:
    labels, valid = _labels(64), torch.tensor([[True, True, False]] * 64)
    counts = [
        int((mistaken(labels, valid, generator(0, "x"), share) != labels).flatten(1).any(1).sum()) for share in SHARES
    ]
    assert 0 < counts[1] < counts[0]
