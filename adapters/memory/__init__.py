"""The STM line: networks that match a frame with a memory of past frames. Cards and entries, no torch here.

A system is one module (network, and an adapter with its settings) and one card in `cards`. They are put together from

- `encoders`, `blocks`, `decoders`: parts that carry the official parameter names; several systems share each;
- `bank`, `long_term`, `guided` (with `motion`), `em`, `feature_bank`, `sampled_bank`: memories, `add` and `read`;
- `network`: what the loop asks of a network;
- `session`, `sizes`: the loop over a video, and the size rule;
- `adapter`: options, weights (`common.siblings`: which system a checkpoint belongs to).

A further system of the line subclasses `MemoryNetwork` (or a network that it descends from, as RDE does STCN), takes
encoder and decoder from the shared parts, gives `bank` its own memory where it has one, and subclasses `MemoryAdapter`
for its settings; a loop of its own goes into `MemoryAdapter.loop`. A part that a second system needs moves to the
shared modules.
"""

from .cards import MODELS

__all__ = ["MODELS"]
