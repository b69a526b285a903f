"""From what a checkpoint holds to one mapping of names to tensors: wrappings and prefixes taken off, never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from robust_vos_bench.errors import WeightsError
from robust_vos_bench.models.file_kinds import keys_in_words, plain

if TYPE_CHECKING:
    import torch

WRAPPERS = (
    *("state_dict", "model_state_dict", "model_state", "model_weights", "model", "net", "network", "module"),
    *("params", "weights", "checkpoint"),
    *("ema", "ema_state_dict", "state_dict_ema", "model_ema", "ema_model", "params_ema"),
)
"""Keys under which training programs put a state_dict, alone or one in another."""
PREFIXES = ("module.", "model.", "net.", "network.")
"""What wrapping modules put before every name."""
_DEEPEST = 6


def unwrapped(loaded: object, path: object, wrappers: Iterable[str] = WRAPPERS) -> dict[str, torch.Tensor]:
    """The one state_dict in what a file holds, under its network's own names.

    Raises WeightsError, with the keys that were found, where there is none, or where there are several that differ
    (averaged weights beside others): which one is meant is not for a program to say.
    """
    words = tuple(wrappers)
    found = list(_states(loaded, (), words))
    if not found:
        raise WeightsError(f"{path}: holds no state_dict (a mapping of names to tensors). {_what_else(loaded, words)}")
    for where, state in found[1:]:
        if not _equal(found[0][1], state):
            names = " and ".join(".".join(w) for w, _ in found)
            first, other = (".".join(w) for w in (found[0][0], where))
            take = "".join(f"[{key!r}]" for key in found[0][0])
            raise WeightsError(
                f"{path}: holds several sets of weights that differ: {names}. Save the one you mean alone and give "
                f"that, for {first}: torch.save(torch.load(FILE, map_location='cpu', weights_only=True){take}, "
                f"'weights.pth'); for {other} accordingly"
            )
    return without_prefixes(found[0][1], path)


def _states(
    loaded: object, where: tuple[str, ...], words: tuple[str, ...]
) -> Iterable[tuple[tuple[str, ...], Mapping[str, torch.Tensor]]]:
    if not isinstance(loaded, Mapping) or len(where) > _DEEPEST:
        return
    if _is_state(loaded):
        yield where, loaded
        return
    for word in words:
        if word in loaded:
            yield from _states(loaded[word], (*where, word), words)


def _is_state(loaded: Mapping[Any, Any]) -> bool:
    import torch

    return bool(loaded) and all(isinstance(n, str) and isinstance(t, torch.Tensor) for n, t in loaded.items())


def _equal(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    import torch

    return one.keys() == other.keys() and all(
        t.dtype == other[n].dtype and torch.equal(t, other[n]) for n, t in one.items()
    )


def _what_else(loaded: object, words: tuple[str, ...]) -> str:
    import torch

    if not isinstance(loaded, Mapping):
        return f"It holds a single object of the type {type(loaded).__name__}."
    if not loaded:
        return "It holds an empty mapping."
    inner: Mapping[Any, Any] = loaded
    where = ""
    for _ in range(_DEEPEST):
        word = next((w for w in words if isinstance(inner.get(w), Mapping)), None)
        if word is None:
            break
        inner, where = inner[word], f"{where}{word}."
    tensors = sum(isinstance(value, torch.Tensor) for value in inner.values())
    if tensors:
        odd = next((n for n, v in inner.items() if not isinstance(v, torch.Tensor) or not isinstance(n, str)), "")
        return (
            f"Beside {tensors} tensors there is {where}{plain(odd, 60)} ({type(inner.get(odd)).__name__}), which is "
            "none. Take it out and save the tensors alone"
        )
    return (
        f"Keys found: {keys_in_words(inner)}" + (f" (under {where.rstrip('.')})" if where else "") + ". "
        "Save the state_dict alone, or under the key state_dict"
    )


def without_prefixes(state: Mapping[str, torch.Tensor], path: object) -> dict[str, torch.Tensor]:
    """Names without what DataParallel, torch.compile and wrapping modules put before them.

    `_orig_mod` is torch's own word and goes wherever it stands; the `PREFIXES` go where every name has them, again and
    again; `module.` also where only some names have it. Raises WeightsError where two names would become one.
    """
    names = {name: ".".join(part for part in name.split(".") if part != "_orig_mod") for name in state}
    while True:
        prefix = next((p for p in PREFIXES if all(n.startswith(p) for n in names.values())), "module.")
        if not any(n.startswith(prefix) for n in names.values()):
            break
        names = {name: short.removeprefix(prefix) for name, short in names.items()}
    owners: dict[str, str] = {}
    for name, short in names.items():
        if not short or owners.setdefault(short, name) != name:
            raise WeightsError(
                f"{path}: {plain(owners.get(short, name), 100)!r} and {plain(name, 100)!r} would be one tensor without "
                "the prefixes that wrapping modules add; save the weights of one of the two alone"
            )
    return {short: state[name] for name, short in names.items()}


def with_prefix_of(state: Mapping[str, torch.Tensor], expected: Iterable[str]) -> dict[str, torch.Tensor]:
    """The names as a network wants them all of whose own names begin with one of the `PREFIXES`."""
    wanted, chain = list(expected), ""
    while wanted and (
        prefix := next((p for p in PREFIXES if all(n.removeprefix(chain).startswith(p) for n in wanted)), "")
    ):
        chain += prefix
    if not chain or any(name.startswith(chain) for name in state):
        return dict(state)
    return {chain + name: tensor for name, tensor in state.items()}


def faults_of_values(
    state: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor], parameters: Iterable[str]
) -> list[str]:
    """What is wrong with the numbers of the tensors that a network takes over, one line each.

    NaN and Inf (also those that only arise in the network's type), and types that would be turned into others without
    a word: whole numbers for real ones, say. A buffer whose own value holds Inf (a mask for attention) may hold it.
    """
    import torch

    trained = set(parameters)
    lines = []
    for name, tensor in state.items():
        target = own.get(name)
        if target is None:
            continue
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_nested:
            lines.append(f"{name} is no plain tensor (sparse, quantised, nested or without numbers)")
        elif not target.is_floating_point():
            continue
        elif not tensor.is_floating_point():
            lines.append(f"{name} is of type {_type(tensor)}, the network has {_type(target)}")
        elif not target.is_meta and (name in trained or bool(torch.isfinite(target).all())):
            lines += _not_finite(name, tensor, target.dtype)
    return lines


def _not_finite(name: str, tensor: torch.Tensor, dtype: torch.dtype) -> list[str]:
    import torch

    values = tensor.to(dtype)
    finite = torch.isfinite(values)
    if bool(finite.all()):
        return []
    nan, count = int(torch.isnan(values).sum()), int((~finite).sum())
    parts = [f"{number} {word}" for number, word in ((nan, "NaN"), (count - nan, "Inf")) if number]
    cause = "" if tensor.dtype == dtype else f" as {_type(values)}"
    return [f"{name} holds {' and '.join(parts)} among {values.numel()} numbers{cause}"]


def _type(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
