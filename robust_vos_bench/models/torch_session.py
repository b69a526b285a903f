"""One video through a torch network: the steps that `segment` and `roll_out` share."""

from __future__ import annotations

import contextlib
from abc import ABC
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.argmax import strongest, with_given
from robust_vos_bench.models.ids import IdMap


class Seen(NamedTuple):
    """What `TorchSession.observe` may return instead of scores alone, for objects that were given on this frame or
    labels that the network's memory needed.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> seen = rvos.Seen(scores=None)
    >>> seen.given is None
    True
    """

    scores: Any
    """(1 + n) x H x W, or what the session's own `labels` and `logits` make of it; None on a first frame."""
    given: Tensor | None = None
    """H x W, slots of what the prompt shows, 0 elsewhere: it replaces what the scores say."""
    labels: Tensor | None = None
    """H x W, the labels 0..k of the frame with what is given, where they are known already."""


class TorchSession(ABC):  # noqa: B024 - `image` and `observe`, or `advance`
    """One video through a network: write `image` and `observe`. Objects count 1..k in `ids`, in order of appearance.

    `TorchAdapter.segment` and `roll_out` are two loops over them, one without gradients and one with. A session that
    writes `advance` instead, from frame to mask in one, works too; such a model passes no gradients.
    precision: entered around every frame, `TorchAdapter.precision`.

    Examples
    --------
    >>> import robust_vos_bench as rvos
    >>> session = rvos.load_adapter("aot.lite", device="cpu").session(rvos.open_dataset("demo").video("cat"))
    >>> isinstance(session, rvos.TorchSession)
    True
    """

    def __init__(self, precision: Callable[[], contextlib.AbstractContextManager[None]] = torch.no_grad) -> None:
        self.precision = precision
        self.ids = IdMap()
        self.diagnostics: list[str] = []
        self._begun = False

    def step(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """Segment the next frame (see `Session.step`). Raises UsageError where the first one has no prompt."""
        self._begin(prompt)
        with self.precision():
            return self.advance(frame, prompt, last)

    def score(self, frame: Tensor, prompt: Mask | None, last: bool) -> Tensor:
        """The same for a float frame 3 x H x W in 0..255, with gradients where the caller has them.

        Returns logits (1 + k) x H x W whose argmax are the labels that `step` gives.
        """
        self._begin(prompt)
        gradients = torch.is_grad_enabled()
        with self.precision(), torch.set_grad_enabled(gradients):
            return self.logits(self.observe(self.image(frame), prompt, last))

    def _begin(self, prompt: Mask | None) -> None:
        if not self._begun and (prompt is None or not prompt.any()):
            raise UsageError("the first frame sent to the model has no prompt")
        self._begun = True

    def advance(self, frame: Frame, prompt: Mask | None, last: bool) -> Mask:
        """What `step` does, under the precision."""
        return self.labels(self.observe(self.image(frame), prompt, last))

    def image(self, frame: Frame | Tensor) -> Any:
        """What the network gets of a frame: resized, normalised.

        frame: RGB uint8 H x W x 3, or the same as a float tensor 3 x H x W in 0..255 through which gradients pass.
        """
        raise NotImplementedError(f"{type(self).__name__} has to write `image` and `observe`, or `advance`")

    def observe(self, image: Any, prompt: Mask | None, last: bool) -> Any:
        """Encode, match, decode, remember. image: what `image` made. prompt, last: as in `step`.

        Returns the scores (1 + k) x H x W at the frame's size, slot 0 the background, or a `Seen`.
        """
        raise NotImplementedError(f"{type(self).__name__} has to write `image` and `observe`, or `advance`")

    def labels(self, scores: Any) -> Mask:
        """The mask of what `observe` returned: uint8 H x W of original ids."""
        seen = scores if isinstance(scores, Seen) else Seen(scores)
        labels = seen.labels
        if labels is None and seen.scores is None:
            labels = seen.given
        elif labels is None:
            labels = strongest(seen.scores)
            if seen.given is not None:
                labels = torch.where(seen.given > 0, seen.given.to(labels.dtype), labels)
        assert labels is not None
        return self.ids.to_original(labels.cpu().numpy())

    def logits(self, scores: Any) -> Tensor:
        """Logits (1 + k) x H x W of what `observe` returned, float32; of probabilities they are the logarithm."""
        seen = scores if isinstance(scores, Seen) else Seen(scores)
        found: Tensor | None = None if seen.scores is None else seen.scores.float()
        if seen.given is None:
            assert found is not None
            return found
        return with_given(found, seen.given, 1 + len(self.ids))

    def has_steps(self) -> bool:
        """Whether `image` and `observe` are written, so that `score` works."""
        return type(self).observe is not TorchSession.observe and type(self).image is not TorchSession.image

    def given(self, prompt: Mask, device: str | torch.device) -> Tensor:
        """The prompt as slots, H x W uint8 on the device."""
        return torch.from_numpy(np.ascontiguousarray(self.ids.to_dense(prompt))).to(device)

    @contextlib.contextmanager
    def gradients(self) -> Iterator[None]:
        """Gradients inside the block, for what a session fits on line, whatever mode its caller is in.

        The weights of `TorchAdapter.network` never get any: fit tensors of the session's own.
        """
        with torch.inference_mode(False), torch.enable_grad():
            yield

    def warn(self, text: str) -> None:
        """Add a diagnostic of this video, once."""
        if text not in self.diagnostics:
            self.diagnostics.append(text)
