"""Renewed surfaces: what is seen of an object changes, what the labels say does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from training import trainer
from training.clips import Clips, make_clips, render
from training.draws import USUAL, draw
from training.images import Stills
from training.renewal import Renewal, draw_renewal, shown
from training.trainer import Settings, Trainer


def _renewal(front: float) -> Renewal:
    drawn = draw_renewal(40, 0, ("x",), 2, 2)
    return replace(drawn, fronts=torch.full_like(drawn.fronts, front))


def test_draws_are_a_function_of_their_key() -> None:
    first, again, other = (draw_renewal(40, 0, ("train", step), 4, 3) for step in (5, 5, 6))
    assert all(torch.equal(getattr(first, name), getattr(again, name)) for name in ("sources", "fields", "fronts"))
    assert not torch.equal(first.fields, other.fields)


def test_a_share_of_the_objects_is_renewed() -> None:
    fronts = draw_renewal(40, 0, ("x",), 500, 3).fronts
    assert abs(float(torch.isfinite(fronts).float().mean()) - USUAL.renewed) < 0.05


def test_the_front_starts_outside_and_moves_on() -> None:
    axis = torch.linspace(-1, 1, 33)
    unit = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).expand(2, 3, 33, 33, 2)
    times = torch.tensor([[0.0, 1.0, 2.5], [0.0, 0.7, 1.0]])
    seen = shown(_renewal(0.5), 0, unit, times)
    assert seen.shape == (2, 3, 1, 33, 33)
    first, second, third = seen.mean((0, 2, 3, 4)).tolist()
    assert first < 0.05 < second < third < 0.95
    assert torch.all(seen[:, 1:] >= seen[:, :-1])
    assert not shown(_renewal(-torch.inf), 0, unit, times).any()


def test_colours_change_inside_objects_and_labels_stay(stills: Stills) -> None:
    draws = draw(stills, 0, ("train", 1), 2, 3, 97, 1)
    plain = render(stills, draws, 97)
    untouched = render(stills, draws, 97, _renewal(-torch.inf))
    renewed = render(stills, draws, 97, _renewal(1.0))
    assert torch.equal(plain.frames, untouched.frames)
    assert torch.equal(plain.labels, renewed.labels) and torch.equal(plain.valid, renewed.valid)
    change = (renewed.frames - plain.frames).abs().amax(2)
    inside = plain.labels == 1
    assert float(change[:, 0][inside[:, 0]].mean()) < 0.02 < float(change[:, 2][inside[:, 2]].mean())


def test_training_renews_late(stills: Stills, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def noted(*arguments: object, renewed: bool, **more: object) -> Clips:
        asked.append(renewed)
        return make_clips(*arguments, renewed=renewed, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer, "make_clips", noted)
    training = Trainer(Settings("cfbi.lite", batch=1, crop=65), stills)
    training.advance()
    training.step = trainer.RENEWED_FROM
    training.advance()
    assert asked == [False, True]
