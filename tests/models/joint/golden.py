"""A recorded run of the official code, played here with a note of every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recordings import Recording, steps

from robust_vos_bench.adapters.joint import learner, tracker
from robust_vos_bench.adapters.joint.network import JOINT
from robust_vos_bench.adapters.joint.session import JointSession
from robust_vos_bench.adapters.joint.tracker import Settings, Tracker
from robust_vos_bench.datasets.video import Mask, Video

Notes = dict[str, Any]
"""What one object went through on one frame."""

NAMES = {"train_sample_interval": "interval", "sample_memory_size": "frames"}
"""Official settings -> ours."""


def settings(golden: Recording) -> Settings:
    """Of a recorded run."""
    ours = {NAMES[name]: value for name, value in golden.meta["overrides"].items()}
    return Settings(region=tuple(golden.meta["image_sample_size"]), **ours)


def clip(shared: Path, golden: Recording, frames: int | None = None) -> Video:
    """The recorded clip with the masks of its scene, 238 x 427; the first `frames` of it."""
    arrays = Recording.read(shared / "models" / "family" / "golden" / "inputs.npz").arrays
    scene, count = golden.meta["scene"], frames or golden.meta["frames"]
    given = {0: "mask_late_t0", 4: "mask_late_t4"} if scene == "late3" else {0: f"mask_{scene}"}
    prompts = {t: np.asarray(arrays[name]).astype(np.uint8) for t, name in given.items() if t < count}
    return Video.from_arrays(list(arrays["frames"][:count]), prompts, name=scene)


class Noted:
    """Frames of a session one after another, with what each object went through."""

    def __init__(self, network: JOINT, golden: Recording, patch: pytest.MonkeyPatch) -> None:
        self.session = JointSession(network, settings(golden))
        self.notes: list[Notes] = []
        """Of the objects of the current frame, in order."""
        self._features: dict[str, torch.Tensor] = {}
        note = self._note
        self._watch(patch, Tracker, "track", self._tracked)
        self._watch(patch, Tracker, "branches", lambda found, *_: note(learned=found[0], copied=found[1]))
        self._watch(
            patch, tracker, "pasted", lambda found, scores, part, _: note(scores=scores, part=part, image=found)
        )
        self._watch(patch, tracker, "cut", lambda found, *_, **__: note(previous=found))
        self._watch(patch, tracker, "first_region", lambda found, state, *_: self._begun(found, state))
        self._watch(patch, network.label_encoder, "forward", lambda found, _: note(labels=found))
        self._watch(patch, network.feature_extractor, "forward", lambda found, *_: self._features.update(found))
        self._watch(patch, network, "look", lambda found, region: note(seen=found, region=region, **self._features))
        patch.setattr(tracker, "fitted", self._fitted)

    def play(self, video: Video) -> Iterator[tuple[int, Mask]]:
        """Number and mask of each frame; `notes` are those of this frame."""
        masks = steps(self.session, video)
        for t in range(len(video)):
            self.notes = [{} for _ in self.session.trackers]
            self._object = 0
            yield t, next(masks)

    def _watch(self, patch: pytest.MonkeyPatch, owner: Any, name: str, look: Callable[..., object]) -> None:
        plain = getattr(owner, name)

        def watched(*given: Any, **options: Any) -> Any:
            found = plain(*given, **options)
            look(found, *given, **options)
            return found

        patch.setattr(owner, name, watched)

    def _note(self, **facts: Any) -> None:
        self.notes[self._object].update(facts)

    def _tracked(self, scores: torch.Tensor, tracked: Tracker, *_: Any) -> None:
        assert tracked._before is not None
        self._note(state=[*tracked._before[0], tracked.state.scale, *tracked.state.size])
        self._note(weights=tracked.weights.values.copy(), filter=tracked.filter)
        self._object += 1

    def _begun(self, found: tuple[torch.Tensor, torch.Tensor], state: Any) -> None:
        self.notes.append({})
        self._object = len(self.notes) - 1
        self._note(first=[*state.position, state.scale, *state.size, *state.base], given=found[1])

    def _fitted(self, weights: torch.Tensor, samples: Any, regularisation: torch.Tensor, steps: int) -> torch.Tensor:
        """Step by step, with the loss before each and after the last."""
        losses = [learner.loss(weights, samples, regularisation)]
        for _ in range(steps):
            weights = learner.fitted(weights, samples, regularisation, 1)
            losses.append(learner.loss(weights, samples, regularisation))
        self._note(losses=losses, filter=weights, layer3=self._features["layer3"])
        return weights


def largest(ours: Any, recorded: np.ndarray) -> float:
    """Largest difference."""
    return float(np.abs(np.asarray(ours, np.float64) - recorded.astype(np.float64)).max())


def relative(ours: Any, recorded: np.ndarray) -> float:
    """Largest difference, as a part of the recorded value."""
    return float(np.abs(np.asarray(ours, np.float64) / recorded.astype(np.float64) - 1).max())


def compare(note: Notes, golden: Recording, key: str) -> set[str]:
    """Hold one object's notes against what was recorded of it; returns the fields that were compared.

    key: "_t1_obj2", say.
    """
    compared = set()

    def held(field: str, ours: Callable[[], Any], bound: float, measure: Any = largest) -> None:
        if f"{field}{key}" in golden:
            compared.add(field)
            apart = measure(ours(), golden[f"{field}{key}"])
            assert apart <= bound, f"{field}{key} differs by {apart}"

    held("init_state", lambda: note["first"], 0)
    held("init_mask_packed", lambda: np.packbits(note["given"].numpy().astype(bool).ravel()), 0)
    held("init_mask_sum", lambda: note["given"].sum(), 0)
    held("init_layer3_c128", lambda: note["layer3"][0, ::128], 1e-3)
    held("label_tm", lambda: note["labels"].target[::4], 1e-4)
    held("label_tr", lambda: note["labels"].copied[::4], 1e-4)
    held("label_sw", lambda: note["labels"].weight[::4], 1e-4)
    held("gn_losses", lambda: note["losses"], 3e-6, relative)
    held("filter0_c32", lambda: note["filter"][:, ::32], 1e-4)
    held("filter0_norm", lambda: note["filter"].double().norm(), 1e-5, relative)
    held("filter_norm", lambda: note["filter"].double().norm(), 1e-5, relative)
    held("filter_c64", lambda: note["filter"][:, ::64], 1e-4)
    held("sample_weights", lambda: note["weights"], 1e-7)
    held("state", lambda: note["state"], 2e-4)
    held("crop_coords", lambda: np.concatenate(note["part"].corners), 0)
    held("enc_learner", lambda: every(note["learned"], golden), 1e-4)
    held("enc_transformer", lambda: every(note["copied"], golden), 1e-4)
    held("logit_crop_s2_f16", lambda: note["scores"][::2, ::2], 1e-2)
    held("logit_crop_s4_f16", lambda: note["scores"][::4, ::4], 1e-2)
    held("logit_image_s4_f16", lambda: note["image"][::4, ::4], 1e-2)
    held("logit_image_mean_max", lambda: of_pasted(note["image"]), 1e-4)
    held("paste", lambda: placed(note), 1e-6)
    if "previous" in note:  # the official code cuts it on every frame
        held("prevmask_crop_mean", lambda: note["previous"].mean(), 1e-5)
    if "region" in note:
        held("patch_u8_s4", lambda: note["region"][0, :, ::4, ::4], 1)
        held("patch_mean", lambda: note["region"].double().mean(), 1e-4)
        held("layer3_c64", lambda: note["layer3"][0, ::64], 1e-3)
        held("tmfeat_c64", lambda: note["seen"].learner[0, ::64], 1e-5)
    return compared


def every(encoding: torch.Tensor, golden: Recording) -> torch.Tensor:
    """The channels of an encoding that were recorded."""
    return encoding[:: 4 if golden.meta["scene"] == "single" else 2]


def of_pasted(image: torch.Tensor) -> list[float]:
    """Mean, maximum and size of what was pasted."""
    part = image[image > -100].double()
    return [float(part.mean()), float(part.max()), len(part)]


def placed(note: Notes) -> list[float]:
    """Factor and middle of a pasted region."""
    first, end = note["part"].corners
    return [float(np.sqrt(np.prod((end - first) / note["scores"].shape))), *((first + end - 1) / 2)]
