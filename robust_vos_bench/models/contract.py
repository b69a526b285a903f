"""The adapter contract, checked frame by frame while a model runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from robust_vos_bench.datasets.video import Mask, Video, values_in
from robust_vos_bench.errors import ContractError, RvosError
from robust_vos_bench.models.adapter import FORGOTTEN, INHERITED, VOSAdapter
from robust_vos_bench.system.tracebacks import with_place


def check_mask(mask: object, video: Video, t: int, first_frames: Mapping[int, int] | None = None) -> None:
    """Raise a ContractError unless `mask` is what a model may yield for frame `t` of `video`.

    That is: a uint8 array of shape `video.size` whose ids are 0 or were prompted at frame `t` or before.
    first_frames: `video.first_frames`, where the caller has it at hand (it costs a pass over the prompts).
    """
    where = f"video {video.name!r}, frame {t}"
    size = tuple(video.size)
    if not isinstance(mask, np.ndarray):
        kind = type(mask).__name__
        raise ContractError(f"{where}: expected a numpy array, got {kind}{_turned_into_array(mask)}")
    if mask.ndim != 2:
        raise ContractError(
            f"{where}: expected a mask of 2 dimensions (H, W), got shape {mask.shape}{_flattened(mask.shape, size)}"
        )
    if mask.dtype != np.uint8:
        raise ContractError(f"{where}: expected a uint8 mask of object ids, got {mask.dtype}{_typed(mask)}")
    if mask.shape != size:
        raise ContractError(
            f"{where}: the mask is {mask.shape} (H, W), the frames are {size}: resize it to the frame without mixing "
            "ids, `cv2.resize(mask, frame.shape[1::-1], interpolation=cv2.INTER_NEAREST)`"
        )
    first = video.first_frames if first_frames is None else first_frames
    for i in (i for i in values_in(mask) if i):
        if i not in first:
            known = ", ".join(map(str, sorted(first))) or "none"
            raise ContractError(
                f"{where}: the mask holds id {i}, which no prompt introduces (ids: {known}); turn the network's "
                "channels 1, 2, ... back into the ids of the prompts, `np.array([0, *ids], np.uint8)[mask]`"
            )
        if first[i] > t:
            raise ContractError(
                f"{where}: the mask holds id {i}, which first appears at frame {first[i]}: leave out the channels of "
                "objects whose prompt has not come yet"
            )


def _turned_into_array(mask: object) -> str:
    """The cure for what is no array."""
    if hasattr(mask, "detach"):
        return ": return `mask.cpu().numpy().astype(np.uint8)`"
    if isinstance(mask, (list, tuple)):
        return ": return `np.asarray(mask, np.uint8)`"
    return ": return the mask of every frame, `mask.copy()`" if mask is None else ""


def _flattened(shape: tuple[int, ...], size: tuple[int, ...]) -> str:
    """The cure for an array with other axes than (H, W)."""
    if len(shape) == 3 and size == shape[1:]:
        return ": return `mask[0]`" if shape[0] == 1 else ": return `mask.argmax(0).astype(np.uint8)`"
    return ": return `mask[..., 0]`" if len(shape) == 3 and size == shape[:2] and shape[2] == 1 else ""


def _typed(mask: Mask) -> str:
    """The cure for a mask of another type."""
    if mask.dtype.kind == "f":
        return (
            ": these look like probabilities; take the best channel, `scores.argmax(0).astype(np.uint8)`, or for ids "
            "`mask.astype(np.uint8)`"
        )
    return ": return `mask.astype(np.uint8)`" if mask.dtype.kind in "iub" else ""


def _cure(error: BaseException, video: Video) -> str:
    """What to do, for errors that many adapters make; "" for all others."""
    asked = error.args[0] if isinstance(error, KeyError) and error.args else None
    if isinstance(asked, int) and asked < len(video) and asked not in video.prompts:
        frames = ", ".join(map(str, video.prompts))
        return (
            f": `video.prompts` holds the frames where objects first appear, here {frames}; the first of them is "
            "`video.first_prompt`, and objects may come later"
        )
    if isinstance(error, AttributeError) and error.name in INHERITED and isinstance(error.obj, (VOSAdapter, type)):
        return f": {FORGOTTEN}"
    return ""


def segment_checked(adapter: VOSAdapter, video: Video) -> Iterator[Mask]:
    """`adapter.segment(video)` under the contract: every mask is checked, and their number.

    The model gets copies of frames and prompts: one that writes into them changes no other model's input, and no other
    frame of a corruption that shows one several times.

    Raises ContractError (exit code 5) where the model breaks the contract. An RvosError (a damaged frame, say) passes
    through; any other exception of the model becomes an RvosError that names model, video and frame.
    """
    return masks_checked(adapter, video.unshared())


def masks_checked(adapter: VOSAdapter, video: Video) -> Iterator[Mask]:
    """As `segment_checked`, on the frames and prompts themselves."""
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
        said = f"model {name!r} failed on video {video.name!r} at frame {t}: {type(error).__name__}: {detail}"
        raise RvosError(with_place(said, error, type(adapter)) + _cure(error, video)) from error
    finally:
        close = getattr(masks, "close", None)
        if close is not None:
            close()
