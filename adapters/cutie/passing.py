"""The package's inference core with gradients: what it overwrites in place is made anew while they are recorded."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import torch
from cutie.inference import memory_manager
from cutie.inference.inference_core import InferenceCore
from torch import Tensor


class Core(InferenceCore):  # type: ignore[misc]
    """Without gradients it is the package's own."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        # a frame that is computed again for its gradients stops as soon as they are there
        self.image_feature_store.no_warning = True

    def step(self, *arguments: Any, **settings: Any) -> Tensor:
        """As the package's. With gradients another softmax stands in for its top-k softmax, which overwrites itself."""
        if not torch.is_grad_enabled():
            probabilities: Tensor = super().step(*arguments, **settings)
            return probabilities
        self._renew_counts()
        with patch.object(memory_manager, "do_softmax", weights_of):
            probabilities = super().step(*arguments, **settings)
        return probabilities

    def _segment(self, *arguments: Any, **settings: Any) -> Tensor:
        found: Tensor = super()._segment(*arguments, **settings)
        # given masks are written into it
        return found.clone() if torch.is_grad_enabled() else found

    def _add_memory(self, *arguments: Any, **settings: Any) -> None:
        if torch.is_grad_enabled():  # sums over frames, which are added to in place
            self.memory.obj_v = {number: value.clone() for number, value in self.memory.obj_v.items()}
        super()._add_memory(*arguments, **settings)

    def _renew_counts(self) -> None:
        """Counts of use decide what is forgotten: they pass no gradient, and earlier states keep theirs."""
        for store in (self.memory.work_mem, getattr(self.memory, "long_mem", None)):
            for name in ("use_cnt", "life_cnt"):
                counts = getattr(store, name, None)
                if counts:
                    counts.update({bucket: count.detach().clone() for bucket, count in counts.items()})


def weights_of(
    similarity: Tensor, top_k: int | None = None, inplace: bool = False, return_usage: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Weights of memory cells 1 x n x m (softmax over n, of the `top_k` best where given), and the sum of each cell's.

    inplace is the package's, and not done here.
    """
    if top_k is None:
        weights = torch.softmax(similarity, 1)
    else:
        best, cells = similarity.topk(top_k, dim=1)
        powers = best.exp()
        weights = torch.zeros_like(similarity).scatter(1, cells, powers / powers.sum(1, keepdim=True))
    return (weights, weights.sum(2)) if return_usage else weights
