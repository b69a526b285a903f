"""What a corruption must give, and what its failures say: errors name the corruption, the video and the frame."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from robust_vos_bench.conditions.condition import Condition
from robust_vos_bench.datasets.video import Frame, Mask
from robust_vos_bench.errors import ContractError, RvosError
from robust_vos_bench.system.global_state import random_state, random_state_kept
from robust_vos_bench.system.tracebacks import with_place

Result = TypeVar("Result")


def called(make: Callable[[], Result], condition: Condition, video: str, frame: int, guarded: bool = False) -> Result:
    """What `make` returns; where the corruption raises, an RvosError that says so.

    Errors of rvos-bench (a damaged frame that it was about to read, a missing extra) pass through, and so does memory
    that ran out. guarded: also a ContractError where it draws from a global random generator.
    """
    try:
        with _no_global_draws(condition, video, frame, guarded):
            return make()
    except (RvosError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise _failure(error, condition, video, frame) from error


def one_by_one(
    make: Callable[[], Iterable[Result]], condition: Condition, video: str, first: int, guarded: bool = False
) -> Iterator[Result]:
    """The same for a corruption that yields its frames, from frame `first` on."""
    results: Iterator[Result] | None = None
    end = object()
    frame = first
    while True:
        try:
            with _no_global_draws(condition, video, frame, guarded):
                if results is None:
                    results = iter(make())
                result = next(results, end)
        except (RvosError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            raise _failure(error, condition, video, frame) from error
        if result is end:
            return
        yield result  # type: ignore[misc]
        frame += 1


@contextlib.contextmanager
def _no_global_draws(condition: Condition, video: str, frame: int, guarded: bool) -> Iterator[None]:
    """Raise ContractError where the block draws from a global generator, and put its state back."""
    if not guarded:
        yield
        return
    before = random_state()
    with random_state_kept():
        yield
        after = random_state()
    drawn = [name for name, state in before.items() if after[name] != state]
    if drawn:
        raise ContractError(
            f"corruption {condition.label} broke its contract on {video!r}, frame {frame}: it draws from the global "
            f"generator ({', '.join(drawn)}), so its frames depend on what ran before; use draw.rng()"
        )


def read_only(array: Frame) -> Frame:
    """A view of a frame or mask that cannot be written into."""
    view = array.view()
    view.flags.writeable = False
    return view


def _failure(error: BaseException, condition: Condition, video: str, frame: int) -> BaseException:
    if type(error).__name__ == "OutOfMemoryError":  # torch's: whoever frees memory has to know it, from any process
        return error
    detail = " ".join(str(error).split()) or "no message"
    said = f"corruption {condition.label} failed on video {video!r} at frame {frame}: {type(error).__name__}: {detail}"
    return RvosError(with_place(said, error))


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
