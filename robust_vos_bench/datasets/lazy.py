"""Sequences whose items are made when they are asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar, overload

T = TypeVar("T", covariant=True)


class Lazy(Sequence[T]):
    """A subclass says `__len__` and `at`; indices below zero and slices follow from these."""

    @abstractmethod
    def at(self, t: int) -> T:
        """Item t, 0 to length - 1."""

    def part(self, chosen: range) -> Sequence[T]:
        """What a slice gives."""
        return [self.at(t) for t in chosen]

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        every = range(len(self))
        if isinstance(index, slice):
            return self.part(every[index])
        try:
            return self.at(every[index])
        except IndexError:
            if -len(self) <= index < len(self):
                raise
            raise IndexError(f"item {index} of {len(self)}") from None
