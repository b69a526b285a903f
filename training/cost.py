"""What a training will cost, measured on this machine before it starts; nothing that is measured is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass

from training.draws import STRONG, USUAL
from training.images import Stills
from training.recipes import DAMAGED_FROM
from training.trainer import VALIDATION, Trainer
from training.videos import Videos

STEPS = 4
"""Measured, after one that warms up; in the video stage they hold each kind of step once."""

OBJECTS = 3
"""Batches of a validation hold 1, 2, 3, 1, ... objects."""
SIDE = 257
"""Of the clips of a validation, pixels."""


@dataclass(frozen=True)
class Cost:
    """CPU seconds of all threads, which other work on the machine does not add to."""

    step: float
    validation: float


def cost(trainer: Trainer, held_out: Stills, watch: Videos | None) -> Cost:
    """Measure steps of the late, dearer kind and each kind of batch of a validation; the trainer is used up by it."""
    late = max(USUAL.renewed_from, STRONG.renewed_from, DAMAGED_FROM)
    trainer.step = max(late, trainer.step)
    trainer.advance()
    began = time.process_time()
    for _ in range(STEPS):
        trainer.advance()
    a_step = (time.process_time() - began) / STEPS
    began = time.process_time()
    trainer.validate(held_out, OBJECTS, SIDE)  # one batch with each number of objects
    stills = (time.process_time() - began) * VALIDATION / OBJECTS
    began = time.process_time()
    if watch is not None:
        trainer.validate(held_out, 0, SIDE, watch)
    return Cost(a_step, stills + time.process_time() - began)


def core_hours(measured: Cost, steps: int, validate_every: int) -> float:
    """Core hours of a training of so many steps, validations included."""
    return (measured.step * steps + measured.validation * (steps // validate_every)) / 3600


def cost_in_words(measured: Cost, steps: int, validate_every: int) -> str:
    """One line."""
    hours = core_hours(measured, steps, validate_every)
    return (
        f"{steps} steps cost {hours:.2f} core hours ({measured.step:.2f} CPU seconds per step over {STEPS} steps, "
        f"{measured.validation:.0f} per validation, one every {validate_every} steps)"
    )
