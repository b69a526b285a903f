"""Which categories of BURST are common, which only distract, and which count as another (numbers of LVIS).

Facts from Ali2500/BURST-benchmark (burstapi/eval/run.py, the converter of its annotations, and TAO's categories).
"""

from __future__ import annotations

_COMMON = """
4 13 34 35 36 41 45 58 60 78 79 81 91 95 99 118 126 133 139 154 174 185 211 221 229 235 237 276 299 347 371 382 392
428 429 452 475 480 502 544 579 621 625 642 699 714 717 729 747 779 805 829 852 896 926 937 961 979 980 982 993 1001
1018 1038 1057 1091 1097 1099 1115 1117 1122 1132 1135 1144 1155 1162 1215 1229
"""
_DISTRACTING = """
20 63 108 180 188 204 212 247 303 403 407 415 490 504 507 513 529 567 569 588 672 691 702 708 711 720 736 737 798
813 815 827 831 851 877 883 912 971 976 1130 1133 1134 1169 1184 1220
"""
BURST_COMMON = frozenset(map(int, _COMMON.split()))
"""The categories that COCO has as well; all others are uncommon."""
_DISTRACTORS = frozenset(map(int, _DISTRACTING.split()))
_MERGED = {153: 943, 201: 1175, 207: 554, 504: 347, 720: 347, 912: 529, 967: 529}


def burst_class(category: str) -> int | None:
    """The number under which a category "<number> <name>" is evaluated; None where it is left out."""
    number = category.partition(" ")[0]
    if not number.isdecimal() or int(number) in _DISTRACTORS:
        return None
    merged = _MERGED.get(int(number), int(number))
    return None if merged in _DISTRACTORS else merged
