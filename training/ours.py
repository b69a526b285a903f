"""What training takes from the adapters.

In a checkout the package `robust_vos_bench.adapters` is the folder `adapters/`: type checkers look there.
"""

from typing import TYPE_CHECKING

from robust_vos_bench.models.argmax import strongest

if TYPE_CHECKING:
    from adapters.lite.levels import Level, level, set_levels
    from adapters.lite.network import DISTINCT, LiteNetwork, full, trained
else:
    from robust_vos_bench.adapters.lite.levels import Level, level, set_levels
    from robust_vos_bench.adapters.lite.network import DISTINCT, LiteNetwork, full, trained

__all__ = ["DISTINCT", "Level", "LiteNetwork", "full", "level", "set_levels", "strongest", "trained"]
