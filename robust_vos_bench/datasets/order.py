"""The order of frames, and names that do not belong to it.

Frame names are put into natural order: runs of digits count as numbers, so that "frame2" comes before "frame10". A name
that does not follow the numbering of its neighbours ("preview" beside "00000", "00001") is a stray, never a frame.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

_WHOLE = re.compile(r"-?\d+")
_DECIMAL = re.compile(r"\d+\.\d+")
_RUN = re.compile(r"(\d+)")

_Key = tuple[tuple[tuple[int, int, str], ...], str]


def in_order(stems: Iterable[str]) -> list[str]:
    """Frame names in the order of the video: natural order.

    Whole numbers ("-1", "0", "10") and decimal fractions ("0.5", "10.5") go by their value. Everything else goes run by
    run, digits by value and text without regard to case: "frame2" comes before "Frame10".
    """
    names = sorted(stems)
    if all(_WHOLE.fullmatch(name) for name in names):
        return sorted(names, key=int)
    return sorted(names, key=_natural)


def strays(stems: Iterable[str]) -> list[str]:
    """Names that do not follow the numbering of the others; empty where the names have no common form.

    The form of a name is the name with "#" for each run of digits: "frame#", "#". A form is common where most names
    have it, or half of them where it is "#" alone.
    """
    names = list(stems)
    forms = {name: _form(name) for name in names}
    counts = Counter(form for form in forms.values() if "#" in form)
    if not counts:
        return []
    form, count = max(counts.items(), key=lambda item: (item[1], item[0] == "#"))
    if 2 * count > len(names) or (form == "#" and 2 * count >= len(names)):
        return in_order(name for name in names if forms[name] != form)
    return []


def ambiguous(stems: Iterable[str]) -> tuple[str, str] | None:
    """Two names whose order cannot be told: "1" and "01", or "1.5" and "1.10" (fractions, or two numbers?). Or None."""
    names = in_order(stems)
    keys = [_natural(name)[0] for name in names]
    for (a, b), (first, second) in zip(pairwise(names), pairwise(keys)):
        if first == second and a.casefold() != b.casefold():
            return a, b
    if len(names) > 1 and all(_DECIMAL.fullmatch(name) for name in names):
        by_value = sorted(names, key=float)
        for a, b in zip(names, by_value):
            if a != b:
                return a, b
    return None


def missing_numbers(stems: Sequence[str], step: int | None = None) -> list[str]:
    """Frame names that a numbering leaves out ("00000", "00002" -> "00001"); empty where names are not numbered.

    Names are numbered where they differ in one run of digits alone ("frame1", "frame2"). step: the difference of
    neighbours, where it is known (1 in DAVIS); by default the smallest one there is. A numbering in which more than a
    quarter of the steps are larger, or are no multiple of it, is irregular on purpose: nothing is missing then.
    """
    split = _numbering(stems)
    if split is None:
        return []
    before, numbers, width, after = split
    gaps = [b - a for a, b in pairwise(numbers)]
    if step is not None:
        missing = [n for a, b in pairwise(numbers) for n in range(a + step, b, step)]
    else:
        step = min(gaps)
        wide = [i for i, gap in enumerate(gaps) if gap != step]
        if step <= 0 or any(gap % step for gap in gaps) or len(wide) > max(1, len(gaps) // 4):
            return []
        missing = [n for i in wide for n in range(numbers[i] + step, numbers[i + 1], step)]
    return [f"{before}{n:0{width}d}{after}" for n in missing]


def _numbering(stems: Sequence[str]) -> tuple[str, list[int], int, str] | None:
    """(text before, numbers, width of the first one, text after) of names that differ in one run of digits alone."""
    if len(stems) < 2:
        return None
    rows = [_RUN.split(stem) for stem in stems]
    if len({len(row) for row in rows}) != 1:
        return None
    different = [c for c in range(len(rows[0])) if len({row[c] for row in rows}) > 1]
    if len(different) != 1 or different[0] % 2 == 0:
        return None
    place = different[0]
    numbers = [int(row[place]) for row in rows]
    return "".join(rows[0][:place]), numbers, len(rows[0][place]), "".join(rows[0][place + 1 :])


def _natural(name: str) -> _Key:
    parts = _RUN.split(name)
    # Text sorts after a number in the same place, as in "frame1" before "framea".
    key = tuple((0, int(part), "") if i % 2 else (1, 0, part.casefold()) for i, part in enumerate(parts) if part)
    return key, name


def _form(name: str) -> str:
    """The name with "#" for each run of digits, in whatever script; a whole number is "#" with its sign."""
    if _WHOLE.fullmatch(name):
        return "#"
    return re.sub("#+", "#", "".join("#" if c.isdigit() else c for c in name.replace("#", "_"))).casefold()
