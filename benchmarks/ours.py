"""What the benchmarks take from the adapters.

In a checkout the package `robust_vos_bench.adapters` is the folder `adapters/`: type checkers look there.
"""

from typing import TYPE_CHECKING

from robust_vos_bench.models.torch_adapter import fill_untrained

if TYPE_CHECKING:
    from adapters.aoc.lite import AOCLite, Conditioning, Head
    from adapters.aoc.memory import UNCERTAIN, uncertain
    from adapters.aoc.weights import UNTRAINED as UNTRAINED_AOC
    from adapters.aot.untrained import UNTRAINED as UNTRAINED_AOT
    from adapters.aot.variants import VARIANTS
    from adapters.cfbi.lite import CFBILite
    from adapters.cfbi.weights import UNTRAINED as UNTRAINED_CFBI
    from adapters.cfbi_line.blocks import IAGate
    from adapters.cfbi_line.preparation import network_size, prepare
    from adapters.common.tensors import image_tensor, normalise
    from adapters.lite.adapter import LiteAdapter, LiteSession
    from adapters.lite.matching_network import MatchedNetwork
    from adapters.lite.network import full
    from adapters.memory.swem import drawn_keys
    from adapters.memory.untrained import UNTRAINED as UNTRAINED_MEMORY
    from corruptions.kernels.reference import reference
else:
    from robust_vos_bench.adapters.aoc.lite import AOCLite, Conditioning, Head
    from robust_vos_bench.adapters.aoc.memory import UNCERTAIN, uncertain
    from robust_vos_bench.adapters.aoc.weights import UNTRAINED as UNTRAINED_AOC
    from robust_vos_bench.adapters.aot.untrained import UNTRAINED as UNTRAINED_AOT
    from robust_vos_bench.adapters.aot.variants import VARIANTS
    from robust_vos_bench.adapters.cfbi.lite import CFBILite
    from robust_vos_bench.adapters.cfbi.weights import UNTRAINED as UNTRAINED_CFBI
    from robust_vos_bench.adapters.cfbi_line.blocks import IAGate
    from robust_vos_bench.adapters.cfbi_line.preparation import network_size, prepare
    from robust_vos_bench.adapters.common.tensors import image_tensor, normalise
    from robust_vos_bench.adapters.lite.adapter import LiteAdapter, LiteSession
    from robust_vos_bench.adapters.lite.matching_network import MatchedNetwork
    from robust_vos_bench.adapters.lite.network import full
    from robust_vos_bench.adapters.memory.swem import drawn_keys
    from robust_vos_bench.adapters.memory.untrained import UNTRAINED as UNTRAINED_MEMORY
    from robust_vos_bench.corruptions.kernels.reference import reference

__all__ = [
    "UNCERTAIN",
    "UNTRAINED_AOC",
    "UNTRAINED_AOT",
    "UNTRAINED_CFBI",
    "UNTRAINED_MEMORY",
    "VARIANTS",
    "AOCLite",
    "CFBILite",
    "Conditioning",
    "Head",
    "IAGate",
    "LiteAdapter",
    "LiteSession",
    "MatchedNetwork",
    "drawn_keys",
    "fill_untrained",
    "full",
    "image_tensor",
    "network_size",
    "normalise",
    "prepare",
    "reference",
    "uncertain",
]
