"""Sine, arctangent and power from additions, multiplications and divisions alone.

The C library has several implementations of each and chooses by the processor; these give the same bits everywhere.
In float64; accuracy is far below what a grey level can show.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import jit

_TURN = 2.0 * math.pi
_QUARTER = 0.5 * math.pi
_EIGHTH = 0.25 * math.pi


@jit
def sine(x):  # type: ignore[no-untyped-def]
    """Sine of x radians, |x| up to some thousands; error below 1e-9."""
    r = x - np.floor(x * (1.0 / _TURN) + 0.5) * _TURN
    a = abs(r)
    a = min(a, math.pi - a)
    s = a * a
    p = 1.0 / 6227020800.0
    p = p * s - 1.0 / 39916800.0
    p = p * s + 1.0 / 362880.0
    p = p * s - 1.0 / 5040.0
    p = p * s + 1.0 / 120.0
    p = p * s - 1.0 / 6.0
    value = (p * s + 1.0) * a
    return value if r >= 0.0 else -value


@jit
def cosine(x):  # type: ignore[no-untyped-def]
    """Cosine of x radians."""
    return sine(x + _QUARTER)


@jit
def arctangent(y, x):  # type: ignore[no-untyped-def]
    """Angle of the vector (x, y), -pi to pi; 0 for the null vector; error below 1e-8."""
    across, up = abs(x), abs(y)
    # The smallest number keeps the null vector at 0. Choices, not branches, so that loops can be vectorised.
    large, small = max(max(across, up), 1e-300), min(across, up)
    steep = small > 0.41421356237309503 * large  # tan(pi / 8)
    t = ((small - large) if steep else small) / ((small + large) if steep else large)
    s = t * t
    p = -1.0 / 15.0
    p = p * s + 1.0 / 13.0
    p = p * s - 1.0 / 11.0
    p = p * s + 1.0 / 9.0
    p = p * s - 1.0 / 7.0
    p = p * s + 1.0 / 5.0
    p = p * s - 1.0 / 3.0
    angle = (_EIGHTH if steep else 0.0) + (p * s + 1.0) * t
    angle = _QUARTER - angle if up > across else angle
    angle = math.pi - angle if x < 0.0 else angle
    return angle if y >= 0.0 else -angle


@jit
def power(base, exponent):  # type: ignore[no-untyped-def]
    """base ** exponent for base > 0; relative error below 1e-9 for results between 1e-9 and 1e9."""
    m, e = math.frexp(base)
    if m < 0.7071067811865476:
        m *= 2.0
        e -= 1
    z = (m - 1.0) / (m + 1.0)
    s = z * z
    p = 1.0 / 11.0
    p = p * s + 1.0 / 9.0
    p = p * s + 1.0 / 7.0
    p = p * s + 1.0 / 5.0
    p = p * s + 1.0 / 3.0
    # log2, then 2 to the product, split into a whole and a fraction of at most a half.
    y = exponent * (e + 2.0 * z * (p * s + 1.0) * 1.4426950408889634)
    whole = np.floor(y + 0.5)
    f = (y - whole) * 0.6931471805599453
    q = 1.0 / 40320.0
    q = q * f + 1.0 / 5040.0
    q = q * f + 1.0 / 720.0
    q = q * f + 1.0 / 120.0
    q = q * f + 1.0 / 24.0
    q = q * f + 1.0 / 6.0
    q = q * f + 0.5
    return math.ldexp((q * f + 1.0) * f + 1.0, int(whole))
