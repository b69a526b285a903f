"""Models with one fault each, as people write them; `rvos-bench check` has to name every one."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from robust_vos_bench.models import ModelCard, StreamingAdapter, VOSAdapter


class Good(StreamingAdapter):
    """Keeps the contract: repeats the prompt."""

    card = ModelCard("good")

    def reset(self, video):
        self.mask = np.zeros(video.size, np.uint8)

    def step(self, frame, prompt, last):
        if prompt is not None:
            self.mask = np.where(prompt > 0, prompt, self.mask)
        return self.mask.copy()


class Indexes(Good):
    def segment(self, video):
        for mask, t in zip(super().segment(video), range(len(video))):
            assert video.frames[t].shape == (*mask.shape, 3)
            yield mask


class WrongType(Good):
    def step(self, frame, prompt, last):
        return super().step(frame, prompt, last).astype(np.int64)


class WrongSize(Good):
    def step(self, frame, prompt, last):
        return super().step(frame, prompt, last)[::2, ::2]


class DenseIds(Good):
    def step(self, frame, prompt, last):
        mask = super().step(frame, prompt, last)
        return np.searchsorted(np.unique(mask), mask).astype(np.uint8)


class Early(VOSAdapter):
    card = ModelCard("early")

    def segment(self, video):
        every = np.zeros(video.size, np.uint8)
        for prompt in video.prompts.values():
            every = np.where(prompt > 0, prompt, every)
        for _ in video.frames:
            yield every.copy()


class OneTooFew(Good):
    def segment(self, video):
        yield from list(super().segment(video))[:-1]


class OneTooMany(Good):
    def segment(self, video):
        masks = list(super().segment(video))
        yield from [*masks, masks[-1]]


class NoneTooMany(Good):
    def segment(self, video):
        yield from super().segment(video)
        yield None


class NoState(Good):
    """Keeps its state in the class, so that videos disturb each other."""

    store: ClassVar[dict] = {}

    def reset(self, video):
        self.store.setdefault("mask", np.zeros(video.size, np.uint8))

    def step(self, frame, prompt, last):
        if prompt is not None:
            self.store["mask"] = np.where(prompt > 0, prompt, np.resize(self.store["mask"], prompt.shape))
        return np.resize(self.store["mask"], frame.shape[:2]).copy()


class SameBuffer(Good):
    def step(self, frame, prompt, last):
        if prompt is not None:
            self.mask[prompt > 0] = prompt[prompt > 0]
        self.mask[:] = np.roll(self.mask, 1, 1)
        return self.mask


class WritesFrames(Good):
    def step(self, frame, prompt, last):
        frame[0, 0] = 0
        return super().step(frame, prompt, last)


class GlobalSeed(Good):
    def step(self, frame, prompt, last):
        np.random.seed(0)
        return super().step(frame, prompt, last)


class Unseeded(Good):
    def step(self, frame, prompt, last):
        mask = super().step(frame, prompt, last)
        mask[np.random.default_rng().random(mask.shape) < 0.2] = 0
        return mask


class ReadsAhead(Good):
    def segment(self, video):
        frames = list(video.frames)
        yield from super().segment(video.with_frames(frames))


class NeedsTwoFrames(Good):
    def segment(self, video):
        frames = list(video.frames)
        frames[1]
        yield from super().segment(video)


class SharedNetworkState(Good):
    """Keeps a video's state in an object made by __init__ (a network module, say): videos in turns disturb it."""

    def __init__(self, checkpoint=None, device="cpu"):
        super().__init__(checkpoint, device)
        self.network = {}

    def reset(self, video):
        self.network["mask"] = np.zeros(video.size, np.uint8)

    def step(self, frame, prompt, last):
        if prompt is not None:
            self.network["mask"] = np.where(prompt > 0, prompt, self.network["mask"])
        return self.network["mask"].copy()


class Crashes(Good):
    def step(self, frame, prompt, last):
        raise KeyError("layer4")


class CannotBeBuilt(Good):
    def __init__(self, checkpoint=None, device="cpu"):
        raise RuntimeError("no such layer")
