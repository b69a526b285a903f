"""Three machine instructions that Python does not offer, as numba intrinsics."""

from __future__ import annotations

import sys
from typing import Any

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic

cgutils: Any = untyped_cgutils


def _ones(typing_context: Any, word: Any) -> Any:
    """Number of set bits of a uint64, as uint64."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), build


def _zeros(typing_context: Any, word: Any) -> Any:
    """Number of zero bits below the lowest set bit of a uint64, as uint64; 64 for zero."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), build


def _load64(typing_context: Any, data: Any, index: Any) -> Any:
    """The eight bytes of a uint8 array from `index` on as a little-endian uint64; nothing is checked."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = cgutils.gep_inbounds(builder, array.data, arguments[1])
        word = builder.load(builder.bitcast(pointer, ir.IntType(64).as_pointer()), align=1, typ=ir.IntType(64))
        return word if sys.byteorder == "little" else builder.bswap(word)

    return types.uint64(data, types.int64), build


ones: Any = intrinsic(_ones)
zeros: Any = intrinsic(_zeros)
load64: Any = intrinsic(_load64)
