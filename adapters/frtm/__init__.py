"""FRTM (Robinson et al. 2020): a small model of every object is fitted on line, a refiner was trained off line.

`cards` needs no torch. `session` is the loop, `adapter` has the options; `network` is what is loaded, `target` what
is fitted: to the samples of `augmentation` (drawn by `placements`) and those `remembered`, by the `solver`, whose
errors are kept as `errors_on_grid`; `merging` makes labels.
"""

from .cards import MODELS

__all__ = ["MODELS"]
