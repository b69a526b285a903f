"""Damage to an H.264 stream: the loss of packets and the flipping of bits, in slice data only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from robust_vos_bench.conditions.draw import Draw

from ._pattern import pattern

_SLICES = (1, 5)
"""NAL unit types that carry picture data (slice of a non-IDR / IDR picture)."""


def nal_units(data: bytes) -> Iterator[bytes]:
    """The NAL units of an Annex B byte stream, without their start codes."""
    start = data.find(b"\0\0\1")
    while start >= 0:
        end = data.find(b"\0\0\1", start + 3)
        unit = data[start + 3 : end if end >= 0 else len(data)]
        yield unit.rstrip(b"\0") if end >= 0 else unit
        start = end


def is_slice(unit: bytes) -> bool:
    """Whether a NAL unit carries picture data (parameter sets and messages do not)."""
    return len(unit) > 0 and unit[0] & 31 in _SLICES


def _annex_b(units: list[bytes]) -> bytes:
    # Nothing but parameter sets left means that no picture arrived.
    return b"".join(b"\0\0\0\1" + unit for unit in units) if any(map(is_slice, units)) else b""


class PacketLoss:
    """Loses slices, each of which fills one network packet, in bursts.

    A burst begins at a packet with probability `rate / burst` and takes a geometric number of packets with mean
    `burst`, so `rate` is about the share of packets lost. Nothing of frame 0 and no parameter set is ever lost.
    """

    def __init__(self, draw: Draw, rate: float, burst: float = 2.0) -> None:
        self.draw = draw
        self.rate = rate
        self.burst = burst
        self._left = 0
        self.sent = self.lost = 0

    def __call__(self, t: int, data: bytes) -> bytes:
        """What arrives of the coded picture of frame t."""
        if t == 0:
            return data
        rng = replace(pattern(self.draw), frame=t).frame_rng("loss")
        kept = []
        for unit in nal_units(data):
            if is_slice(unit):
                self.sent += 1
                if self._left == 0 and rng.random() < self.rate / self.burst:
                    self._left = int(rng.geometric(1.0 / self.burst))
                if self._left > 0:
                    self._left -= 1
                    self.lost += 1
                    continue
            kept.append(unit)
        return _annex_b(kept)


class BitErrors:
    """Flips bits of slices independently at a bit error rate; NAL headers, parameter sets and frame 0 stay intact.

    A flip that would make a start code is left out: it would change where units begin, not what they hold.
    """

    def __init__(self, draw: Draw, rate: float) -> None:
        self.draw = draw
        self.rate = rate
        self.bits = self.flipped = 0

    def __call__(self, t: int, data: bytes) -> bytes:
        """What arrives of the coded picture of frame t."""
        if t == 0:
            return data
        rng = replace(pattern(self.draw), frame=t).frame_rng("bits")
        units = []
        for unit in nal_units(data):
            if is_slice(unit):
                bits = 8 * (len(unit) - 1)
                self.bits += bits
                damaged = bytearray(unit)
                for place in rng.integers(0, bits, size=rng.binomial(bits, self.rate)).tolist() if bits else []:
                    index = 1 + place // 8
                    damaged[index] ^= 1 << (place % 8)
                    around = bytes(damaged[max(0, index - 2) : index + 3])
                    if any(code in around for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2")):
                        damaged[index] ^= 1 << (place % 8)
                    else:
                        self.flipped += 1
                unit = bytes(damaged)
            units.append(unit)
        return _annex_b(units)
