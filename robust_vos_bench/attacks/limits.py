"""What a threat allows: which models it can be asked of, and whether frames are within it."""

from __future__ import annotations

import numpy as np

from robust_vos_bench.attacks.lattice import Frames, patch_place
from robust_vos_bench.attacks.threat import Threat
from robust_vos_bench.datasets.video import Frame, Truth, Video
from robust_vos_bench.errors import UsageError
from robust_vos_bench.models.adapter import VOSAdapter
from robust_vos_bench.models.differentiable import differentiable


def check_possible(adapter: VOSAdapter, threat: Threat) -> None:
    """Raise UsageError where a threat needs gradients and the model has none: it says what there is instead."""
    if threat.needs_gradients and not differentiable(adapter):
        raise no_gradients(adapter.card.name, threat)


def no_gradients(name: str, threat: Threat) -> UsageError:
    """The error of a model without gradients that is asked for a white box."""
    return UsageError(
        f"model {name!r} passes no gradients (roll_out), which {threat.name} needs. It can have: "
        "square (--preset adversarial-black), which asks for masks alone; noise; and transfer, "
        "`rvos-bench run --attacked FOLDER` on frames made against another model"
    )


def outside(threat: Threat, video: Video, clean: Frames, frames: Frames, truth: Truth | None) -> str:
    """What frames have that the threat does not allow, in words; "" where they are within it.

    truth: decides the place of a patch, and nothing else.
    """
    if len(frames) != len(clean):
        return f"{len(frames)} frames instead of {len(clean)}"
    allowed = threat.allowed(video)
    patch = None
    if threat.kind == "patch" and any(not np.array_equal(a, b) for a, b in zip(clean, frames)):
        if truth is None:
            return "the place of a patch cannot be checked without true masks"
        patch = patch_place(truth, video, threat.budget)
    shown: Frame | None = None
    for t, (one, other) in enumerate(zip(clean, frames)):
        if one.shape != other.shape or other.dtype != np.uint8:
            return f"frame {t} is {other.dtype} {other.shape} instead of uint8 {one.shape}"
        change = np.abs(one.astype(np.int16) - other.astype(np.int16))
        if t not in allowed:
            if change.any():
                return f"frame {t} is changed, and {threat.name} may not change it"
            continue
        if patch is None:
            if change.max(initial=0) > threat.budget:
                return f"a value of frame {t} is changed by {int(change.max())} instead of {threat.budget} at most"
            continue
        top, left, side = patch
        inside = (slice(top, top + side), slice(left, left + side))
        if shown is None:
            shown = other[inside].copy()
        change[inside] = 0
        if change.any():
            return f"frame {t} is changed outside of the patch"
        if not np.array_equal(other[inside], shown):
            return f"the patch of frame {t} is not that of the first frame"
    return ""
