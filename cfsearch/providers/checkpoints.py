"""Sets of weights in a checkpoint, and the one of them that a network takes."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

_DEPTH: Final = 3
_NO_WEIGHTS: Final = re.compile(r"optim|sched|scaler|hyper|callback|loops|config|args", re.IGNORECASE)
"""Entries of a checkpoint beside its weights."""
_WRAPPERS: Final = re.compile(
    r"(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\."
)
"""What ``torch.compile``, FSDP, activation checkpointing and DeepSpeed put into names."""
_AVERAGED: Final = re.compile(r"(^|[._])(ema|swa|averaged|shadow|teacher)", re.IGNORECASE)
_SHOWN: Final = 5


@final
@dataclass(frozen=True, slots=True, eq=False)
class StateDict:
    """One set of named tensors of a checkpoint.

    Args:
        key: where it stands in the file, ``"model.state_dict"``; empty for the file itself.
        tensors: by name.
        others: entries beside them that are no tensors.
    """

    key: str
    tensors: Mapping[str, Tensor]
    others: tuple[str, ...] = ()


def state_dicts(loaded: object) -> tuple[StateDict, ...]:
    """All sets of named tensors in what a file holds, those outside first; optimizers are left out.

    Args:
        loaded: what ``torch.load`` gave.

    Example:
        >>> saved = {"epoch": 3, "model": {"w": torch.ones(2)}, "optimizer": {"m": torch.ones(2)}}
        >>> [(found.key, list(found.tensors)) for found in state_dicts(saved)]
        [('model', ['w'])]
    """
    return tuple(_state_dicts(loaded, key="", depth=0))


def _state_dicts(value: object, *, key: str, depth: int) -> Iterator[StateDict]:
    if not isinstance(value, Mapping) or depth > _DEPTH:
        return
    named = {name: entry for name, entry in value.items() if isinstance(name, str)}
    tensors = {name: entry for name, entry in named.items() if isinstance(entry, Tensor)}
    inner = {name: entry for name, entry in named.items() if isinstance(entry, Mapping)}
    if tensors:
        others = tuple(name for name in named if name not in tensors and name not in inner)
        yield StateDict(key=key, tensors=tensors, others=others)
    for name, entry in inner.items():
        if not _NO_WEIGHTS.search(name):
            yield from _state_dicts(entry, key=f"{key}.{name}" if key else name, depth=depth + 1)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """How the names of one set of weights, or of a part of it, fit those of a network.

    Args:
        name: of the set in its file, with the prefix of its names: ``"state_dict.model"``; empty for the file itself.
        mapping: the network's name -> the set's name.
        missing: names of the network that the set lacks.
        unexpected: names of the set that the network lacks.
        outside: entries of the set beside the prefix, which are left out.
        shapes: name, shape in the file and in the network, where these differ.
        tensors: of the set, by name.
    """

    name: str
    mapping: Mapping[str, str]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    outside: tuple[str, ...]
    shapes: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    tensors: Mapping[str, Tensor]

    @property
    def complete(self) -> bool:
        """Whether every tensor has its place."""
        return bool(self.mapping) and not (self.missing or self.unexpected or self.shapes)

    @property
    def averaged(self) -> bool:
        """Whether the name says that these are averages of weights (EMA, SWA)."""
        return bool(_AVERAGED.search(self.name))

    def same_as(self, other: "Match") -> bool:
        """Whether both put the same numbers into the network."""
        return self.mapping.keys() == other.mapping.keys() and all(
            torch.equal(self.tensors[here], other.tensors[other.mapping[name]])
            for name, here in self.mapping.items()
        )

    @property
    def sentence(self) -> str:
        """What does not fit, at most five names a side."""
        parts = []
        if not self.mapping:
            parts.append("none of the names is one of the network's")
        if self.missing:
            parts.append(f"missing {first_of(self.missing)}")
        if self.unexpected:
            parts.append(f"unexpected {first_of(self.unexpected)}")
        if self.shapes:
            shown = [f"{name} has shape {there}, not {here}" for name, there, here in self.shapes[:_SHOWN]]
            parts.append("; ".join(shown) + _more(len(self.shapes)))
        return "; ".join(parts)


def first_of(names: Iterable[str]) -> str:
    """The first five of some names, and how many more there are."""
    listed = [name if len(name) <= 80 else name[:77] + "..." for name in names]
    return ", ".join(listed[:_SHOWN]) + _more(len(listed))


def _more(n: int) -> str:
    return f" and {n - _SHOWN:,} more" if n > _SHOWN else ""


def matches(own: Mapping[str, Tensor], found: StateDict) -> tuple[Match, ...]:
    """How a set of weights fits a network, the best first: as its names stand, and below each prefix that helps.

    Lightning puts ``model.`` or ``net.`` before names, data parallel training ``module.``, ``torch.compile`` ``_orig_mod.``.

    Args:
        own: the network's ``state_dict``.
        found: of a checkpoint.

    Example:
        >>> own = {"fc.weight": torch.ones(2), "fc.bias": torch.ones(1)}
        >>> saved = {"net.fc.weight": torch.ones(2), "net.fc.bias": torch.ones(1), "loss.weight": torch.ones(3)}
        >>> best, *_ = matches(own, StateDict("state_dict", saved))
        >>> best.name, best.complete, best.outside
        ('state_dict.net', True, ('loss.weight',))
    """
    here = _plain(own)
    there = _plain(found.tensors)
    prefixes: Counter[str] = Counter()
    for name in there:
        prefixes.update(head for head, tail in _cuts(name) if tail in here)
    lacking: Counter[str] = Counter()
    for name in here:
        lacking.update(head for head, tail in _cuts(name) if head and tail in there)
    tried = [_match(own, found, here, there, below=prefix, lacks="") for prefix in {"": 0, **prefixes}]
    tried += [_match(own, found, here, there, below="", lacks=prefix) for prefix in lacking]
    return tuple(sorted(tried, key=lambda match: (not match.complete, -len(match.mapping))))


def _plain(names: Iterable[str]) -> dict[str, str]:
    """Names without those of wrappers -> names; as they are where two become one."""
    listed = list(names)
    short = {_WRAPPERS.sub("", name): name for name in listed}
    return short if len(short) == len(listed) else {name: name for name in listed}


def _cuts(name: str) -> Iterator[tuple[str, str]]:
    parts = name.split(".")
    for i in range(len(parts)):
        head = ".".join(parts[:i])
        yield f"{head}." if head else "", ".".join(parts[i:])


def _match(
    own: Mapping[str, Tensor],
    found: StateDict,
    here: Mapping[str, str],
    there: Mapping[str, str],
    *,
    below: str,
    lacks: str,
) -> Match:
    """Of the names of the set those that begin with ``below``; the network's begin with ``lacks`` more."""
    inside = {
        lacks + name.removeprefix(below): there[name] for name in there if name.startswith(below or name)
    }
    mapping = {here[name]: inside[name] for name in here if name in inside}
    shared = {_storage(own[name]) for name in mapping} - {None}
    return Match(
        name=".".join(part for part in (found.key, below.rstrip(".")) if part),
        mapping=mapping,
        missing=tuple(
            name
            for name, tensor in own.items()
            if name not in mapping
            and not name.endswith("num_batches_tracked")
            and _storage(tensor) not in shared
        ),
        unexpected=tuple(sorted(inside[name] for name in inside if name not in here)),
        outside=(*(n for n in found.tensors if n not in set(inside.values())), *found.others),
        shapes=tuple(
            (name, tuple(found.tensors[place].shape), tuple(own[name].shape))
            for name, place in mapping.items()
            if _known(own[name]) and found.tensors[place].shape != own[name].shape
        ),
        tensors=found.tensors,
    )


def _known(tensor: Tensor) -> bool:
    """Whether a parameter has a shape; those of lazy modules get it with their weights."""
    return not torch.nn.parameter.is_lazy(tensor)


def _storage(tensor: Tensor) -> tuple[int, tuple[int, ...]] | None:
    """The memory of a tensor, which tied weights share; None where there is none yet."""
    if not _known(tensor) or tensor.numel() == 0 or tensor.device.type == "meta":
        return None
    return tensor.data_ptr(), tuple(tensor.shape)
