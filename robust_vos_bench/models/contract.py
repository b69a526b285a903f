"""The adapter contract, checked frame by frame while a model runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from robust_vos_bench.datasets.video import Mask, Video
from robust_vos_bench.errors import ContractError, RvosError
from robust_vos_bench.models.adapter import VOSAdapter


def check_mask(mask: object, video: Video, t: int, first_frames: Mapping[int, int] | None = None) -> None:
    """Raise a ContractError unless `mask` is what a model may yield for frame `t` of `video`.

    That is: a uint8 array of shape `video.size` whose ids are 0 or were prompted at frame `t` or before.
    first_frames: `video.first_frames`, where the caller has it at hand (it costs a pass over the prompts).
    """
    where = f"video {video.name!r}, frame {t}"
    if not isinstance(mask, np.ndarray):
        raise ContractError(f"{where}: expected a numpy array, got {type(mask).__name__}")
    if mask.ndim != 2:
        raise ContractError(f"{where}: expected a mask of 2 dimensions (H, W), got shape {mask.shape}")
    if mask.dtype != np.uint8:
        raise ContractError(f"{where}: expected a uint8 mask of object ids, got {mask.dtype}")
    if mask.shape != tuple(video.size):
        raise ContractError(f"{where}: the mask is {mask.shape} (H, W), the frames are {tuple(video.size)}")
    first = video.first_frames if first_frames is None else first_frames
    found = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    for i in (int(i) for i in found if i):
        if i not in first:
            known = ", ".join(map(str, sorted(first))) or "none"
            raise ContractError(f"{where}: the mask holds id {i}, which no prompt introduces (ids: {known})")
        if first[i] > t:
            raise ContractError(f"{where}: the mask holds id {i}, which first appears at frame {first[i]}")


def segment_checked(adapter: VOSAdapter, video: Video) -> Iterator[Mask]:
    """`adapter.segment(video)` under the contract: every mask is checked, and their number.

    Raises ContractError (exit code 5) where the model breaks the contract. An RvosError (a damaged frame, say) passes
    through; any other exception of the model becomes an RvosError that names model, video and frame.
    """
    name, first = adapter.card.name, video.first_frames
    masks: Iterator[Mask] | None = None
    t = 0
    try:
        masks = iter(adapter.segment(video))
        for t in range(len(video)):
            try:
                mask = next(masks)
            except StopIteration:
                raise ContractError(
                    f"model {name!r}: video {video.name!r} has {len(video)} frames, but the model yielded {t} masks"
                ) from None
            try:
                check_mask(mask, video, t, first)
            except ContractError as error:
                raise ContractError(f"model {name!r}: {error}") from None
            yield mask
        t = len(video)
        end = object()
        if next(masks, end) is not end:
            raise ContractError(
                f"model {name!r}: video {video.name!r} has {len(video)} frames, but the model yielded more masks"
            )
    except RvosError:
        raise
    except (Exception, SystemExit) as error:
        detail = " ".join(str(error).split()) or "no message"
        raise RvosError(
            f"model {name!r} failed on video {video.name!r} at frame {t}: {type(error).__name__}: {detail}"
        ) from error
    finally:
        close = getattr(masks, "close", None)
        if close is not None:
            close()
