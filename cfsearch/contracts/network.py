"""Networks that cfsearch trains itself, by name: what a surrogate can be."""

from collections.abc import Sequence
from typing import Final, Protocol

import torch
from torch import Tensor, nn

from cfsearch import registry
from cfsearch.errors import ConfigError, PluginError, cause_of

_SMALL: Final = 48
"""Images of up to so many pixels a side are taken for digits, larger ones for faces."""


class Build(Protocol):
    """Builder of an untrained network that returns logits.

    Example:
        >>> from torch import nn
        >>> def linear(*, shape: tuple[int, ...], classes: int) -> nn.Module:
        ...     return nn.Linear(shape[0], classes)
        >>> builder: Build = linear
        >>> builder(shape=(5,), classes=2)
        Linear(in_features=5, out_features=2, bias=True)
    """

    def __call__(self, *, shape: tuple[int, ...], classes: int) -> nn.Module:
        """For inputs of ``shape``: (channels, height, width), or (numbers of an encoded row,)."""
        ...


def names() -> tuple[str, ...]:
    """All names that ``build`` knows.

    Example:
        >>> "lenet5" in names()
        True
    """
    return tuple(registry.installed("networks"))


def build(name: str, *, shape: Sequence[int], classes: int) -> nn.Module:
    """An untrained network by its name.

    Raises:
        ConfigError: no network has that name, or it does not take inputs of that shape.
        MissingExtraError: it needs a package that is not installed.
        PluginError: the name leads to no network.

    Example:
        >>> import torch
        >>> build("mlp_64_64", shape=(5,), classes=2)(torch.zeros(3, 5)).shape
        torch.Size([3, 2])
    """
    made = registry.load_function("networks", name)
    try:
        network = made(shape=tuple(int(side) for side in shape), classes=classes)
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f"network {name!r}: cannot be built for inputs of shape {tuple(shape)}: {cause_of(error)}. Choose another."
        ) from error
    if not isinstance(network, nn.Module):
        raise PluginError(f"network {name!r} must be a torch.nn.Module, got {type(network).__name__}.")
    _check_form(network, name=name, shape=tuple(shape), classes=classes)
    return network


def _check_form(network: nn.Module, *, name: str, shape: tuple[int, ...], classes: int) -> None:
    """Refuse a network that cannot take one input of a shape, such as a network of rows given pictures."""
    training = network.training
    try:
        with torch.no_grad():
            answer = network.eval()(torch.zeros(1, *shape))
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        raise ConfigError(
            f"network {name!r}: does not take inputs of shape {shape}: {cause_of(error)}. Choose another: "
            f"{', '.join(suited(shape))}."
        ) from error
    finally:
        network.train(training)
    if not isinstance(answer, Tensor) or tuple(answer.shape) != (1, classes):
        got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise ConfigError(
            f"network {name!r}: must answer an input of shape {shape} with {classes} numbers, got {got}. Choose another: "
            f"{', '.join(suited(shape))}."
        )


def suited(shape: Sequence[int]) -> tuple[str, ...]:
    """Sensible networks for inputs of a shape, the most useful first.

    Example:
        >>> suited((5,)), suited((3, 28, 28))
        (('mlp_64_64', 'mlp_100_100'), ('lenet5', 'digits_1'))
    """
    if len(shape) == 1:
        return ("mlp_64_64", "mlp_100_100")
    return ("lenet5", "digits_1") if max(shape[1:]) <= _SMALL else ("compact_faces",)


def suited_in_paper(shape: Sequence[int]) -> tuple[str, ...]:
    """The surrogate that did best in Haffar et al. 2022 for inputs of a shape.

    Example:
        >>> suited_in_paper((5,)), suited_in_paper((3, 28, 28))
        (('mlp_64_64',), ('digits_1',))
    """
    if len(shape) == 1:
        return ("mlp_64_64",)
    return ("digits_1",) if max(shape[1:]) <= _SMALL else ("faces_1",)
