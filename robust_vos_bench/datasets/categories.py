"""What validation sets call seen and unseen: categories of YouTube-VOS, videos of LVOS."""

from __future__ import annotations

_NAMES = """
airplane ape bear bike bird boat bucket bus camel cat cow crocodile deer dog dolphin duck eagle earless_seal
elephant fish fox frisbee frog giant_panda giraffe hand hat hedgehog horse knife leopard lion lizard monkey
motorbike mouse others owl paddle parachute parrot penguin person plant rabbit raccoon sedan shark sheep sign
skateboard snail snake snowboard squirrel surfboard tennis_racket tiger toilet train truck turtle umbrella
whale zebra
"""
SEEN_CATEGORIES = frozenset(_NAMES.split())
"""The 65 categories of the YouTube-VOS training set, as the train split's meta.json writes them; a validation object of
another category is unseen. Used where that file is not at hand."""

_UNSEEN_VIDEOS = """
058oeZ2p 3bvEjhOT 49TNsJzk 6mNj04tC 711gAS21 8lxxCA5h 9NA8c5C3 9RoNInYO 9oLyy7aJ FiQUhyRi FiRTBMg2 FmzvB44A IlvtT6D6
JGG6MrhF K3OUeINk LWVlKBlK LY2zehlH N6CONZUW Oj1z5fO0 PQfn7XV2 QE1wMR58 Qf9YVXOW R3UJGYwy SRRojucs YfoFnMgm ZFqAoImI
afoR2rH6 beR0WT11 bwcKqVSN cdzAjcuN dtHbJvYy eEcUJVBZ gdqCcvs2 gw84JOqH m37l7ti1 nfcT3owb nwflTTf1 o36i3YWC p9RjdKoh
pMntJwSQ q2HE4zaM rvwT3piq tAyQIobn v3uNUctx vJ8W2TO5 wrrX6bxv xQZlxhxV xpI7xRWN yWnanBID yfzVCnvU yxCvN6OJ
"""
LVOS_UNSEEN_VIDEOS = frozenset(_UNSEEN_VIDEOS.split())
"""Videos of LVOS v1 and v2 whose categories are not in its training set (LingyiHongfd/lvos-evaluation,
unseen_videos.txt); all others are seen."""
