"""What a corruption must give, and what its failures say: errors name the corruption, the video and the frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from robust_vos_bench.conditions.condition import Condition
from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.errors import ContractError, RvosError

Result = TypeVar("Result")


def called(make: Callable[[], Result], condition: Condition, video: str, frame: int) -> Result:
    """What `make` returns; where the corruption raises, an RvosError that says so.

    Errors of rvos-bench (a damaged frame that it was about to read, a missing extra) pass through, and so does memory
    that ran out.
    """
    try:
        return make()
    except (RvosError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise _failure(error, condition, video, frame) from error


def one_by_one(make: Callable[[], Iterable[Result]], condition: Condition, video: str, first: int) -> Iterator[Result]:
    """The same for a corruption that yields its frames, from frame `first` on."""
    frame = first
    try:
        for result in make():
            yield result
            frame += 1
    except (RvosError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise _failure(error, condition, video, frame) from error


def _failure(error: BaseException, condition: Condition, video: str, frame: int) -> BaseException:
    if type(error).__name__ == "OutOfMemoryError":  # torch's: whoever frees memory has to know it, from any process
        return error
    detail = " ".join(str(error).split()) or "no message"
    return RvosError(
        f"corruption {condition.label} failed on video {video!r} at frame {frame}: {type(error).__name__}: {detail}"
    )


def check_frame(result: Any, size: tuple[int, int], condition: Condition, video: str, frame: int) -> Frame:
    """`result`, where it is a frame of that size (height, width). Raises ContractError."""
    expected = (*size, 3)
    if not isinstance(result, np.ndarray) or result.dtype != np.uint8 or result.shape != expected:
        raise ContractError(
            f"corruption {condition.label} broke its contract on {video!r}, frame {frame}: "
            f"expected RGB uint8 {expected}, got {_kind(result)}"
        )
    return result


def check_mask(result: Any, mask: Mask, condition: Condition, video: str, frame: int) -> Mask:
    """`result`, where it is a mask of the size of `mask`. Raises ContractError."""
    if not isinstance(result, np.ndarray) or result.dtype != np.uint8 or result.shape != mask.shape:
        raise ContractError(
            f"corruption {condition.label} broke its contract on the mask of {video!r}, frame {frame}: "
            f"expected uint8 {mask.shape}, got {_kind(result)}"
        )
    return result


def wrong_number(got: str, expected: int, condition: Condition, video: str) -> ContractError:
    """The error of a corruption that made more or fewer frames than it was given."""
    return ContractError(
        f"corruption {condition.label} broke its contract on {video!r}: expected {expected} frames, got {got}"
    )


def _kind(result: Any) -> str:
    return f"{result.dtype} {result.shape}" if isinstance(result, np.ndarray) else type(result).__name__
