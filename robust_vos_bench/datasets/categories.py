"""The 65 categories of the YouTube-VOS training set: a validation object of another category is "unseen"."""

from __future__ import annotations

_NAMES = """
airplane ape bear bike bird boat bucket bus camel cat cow crocodile deer dog dolphin duck eagle earless_seal
elephant fish fox frisbee frog giant_panda giraffe hand hat hedgehog horse knife leopard lion lizard monkey
motorbike mouse others owl paddle parachute parrot penguin person plant rabbit raccoon sedan shark sheep sign
skateboard snail snake snowboard squirrel surfboard tennis_racket tiger toilet train truck turtle umbrella
whale zebra
"""
SEEN_CATEGORIES = frozenset(_NAMES.split())
"""Names as the train split's meta.json writes them; used where that file is not at hand."""
