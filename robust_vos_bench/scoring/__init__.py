"""Scoring: J and F, bit-identical to the official DAVIS tool, and the protocols they are used in.

Importing this loads numpy alone; compilers and image libraries are loaded when a job is large or odd enough.
"""

from robust_vos_bench.scoring.backends import BACKENDS, prepare
from robust_vos_bench.scoring.objects import ObjectScore
from robust_vos_bench.scoring.protocols import PROTOCOL_VERSION, Protocol, make_protocol
from robust_vos_bench.scoring.statistics import GLOBAL_NAMES, global_scores
from robust_vos_bench.scoring.truth import PackedTruth
from robust_vos_bench.scoring.video import VideoScorer

__all__ = [
    "BACKENDS",
    "GLOBAL_NAMES",
    "PROTOCOL_VERSION",
    "ObjectScore",
    "PackedTruth",
    "Protocol",
    "VideoScorer",
    "global_scores",
    "make_protocol",
    "prepare",
]
