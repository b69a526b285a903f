"""RDE: STCN whose memory is one recurrent embedding, the newest remembered frame, and the given one."""

from __future__ import annotations

from torch import Tensor

from ..memory.bank import Bank, FrameBank
from ..stcn.network import STCN
from .compress import Compress


class RecurrentBank:
    """Memory of constant size: embedding, newest frame, and the group's first frame twice (as the official code)."""

    def __init__(self, compress: Compress, top_k: int | None) -> None:
        self.compress, self.top_k = compress, top_k
        self._first: tuple[Tensor, Tensor] | None = None
        self._embedding: tuple[Tensor, Tensor] | None = None
        self._newest: tuple[Tensor, Tensor] | None = None

    def add(self, key: Tensor, value: Tensor, temporary: bool, reference: bool = False) -> None:
        """See `Bank`. A temporary frame enters the embedding like any other."""
        if self._first is None or self._embedding is None:
            self._first = self._embedding = (key, value)
            return
        self._embedding = self.compress((self._embedding[0], key), (self._embedding[1], value))
        self._newest = (key, value)

    def read(self, key: Tensor) -> Tensor:
        """See `Bank`."""
        if self._first is None or self._embedding is None:
            raise RuntimeError("an empty memory was read")
        parts = [self._embedding, self._first]
        if self._newest is not None:
            parts += [self._first, self._newest]
        whole = FrameBank("l2", self.top_k)
        for part in parts:
            whole.add(*part, temporary=False)
        return whole.read(key)


class RDE(STCN):
    """RDE-VOS (Li et al. 2022)."""

    def __init__(self) -> None:
        super().__init__()
        self.mem_compress = Compress()

    def bank(self, top_k: int | None, max_frames: int | None) -> Bank:
        """A memory of constant size; `max_frames` is always kept."""
        return RecurrentBank(self.mem_compress, top_k)
