"""The scores of one object of one video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ObjectScore:
    """Region similarity J and boundary measure F of one object over its scored frames; NaN where there is none."""

    video: str
    object: int
    """Id of the object in the masks."""
    frames: int
    """Number of scored frames."""
    j_mean: float
    j_recall: float
    """Share of frames with J > 0.5."""
    j_decay: float
    """Mean over the first quarter of the frames minus mean over the last: how much is lost over time."""
    f_mean: float
    f_recall: float
    f_decay: float
    category: str = ""
    """Category name, where the data set has categories."""
    indices: tuple[int, ...] = ()
    """Frame index of each value of `j` and `f`."""
    j: tuple[float, ...] = ()
    f: tuple[float, ...] = ()
    extra: Mapping[str, float] = field(default_factory=dict, hash=False)
    """What the protocol of the data set's authors adds (`rules.Rule.extra`): "J_tr", "V", ...; NaN where undefined."""
    matches: Mapping[str, Mapping[str, NDArray[np.float64]]] = field(
        default_factory=dict, hash=False, compare=False, repr=False
    )
    """What HOTA is made of (`hota.Matches`), where the protocol has it; not part of records."""

    @property
    def jf(self) -> float:
        """J&F: mean of `j_mean` and `f_mean`."""
        return (self.j_mean + self.f_mean) / 2.0

    @property
    def first_frame(self) -> int | None:
        """Index of the first scored frame; None where there is none."""
        return self.indices[0] if self.indices else None
