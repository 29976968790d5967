"""Provider of a distilled surrogate network, used in place of the audited model."""

from pathlib import Path
from typing import Final, Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import DifferentiableProvider, Provider, ScoreKind
from cfsearch.datasets.tables import Encoding
from cfsearch.errors import ConfigError, ShapeError, listed
from cfsearch.numerics.percent import percent

from .answers import ask_in_pieces
from .surrogate_file import Surrogate

_MAX_BATCH: Final = 1024


@final
class SurrogateProvider(DifferentiableProvider):
    """Differentiable provider of a surrogate's logits.

    Its answers are never the audited model's. Whatever is found with it must be verified with
    ``audited`` before it is believed; ``cfsearch.distill.with_surrogate`` sees to that.

    Rows are in canonical form; ``encoding`` says what the network takes for them, and
    ``network`` answers to that, with gradients that reach categories as well.

    Args:
        surrogate: what was distilled.
        audited: the model that it stands for; None where nothing will be verified.
        device: "cpu", "cuda" or "cuda:1".
        max_batch: most inputs in one call.

    Raises:
        ConfigError: the audited model has other classes.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        *,
        audited: Provider | None = None,
        device: str = "cpu",
        max_batch: int = _MAX_BATCH,
    ) -> None:
        if audited is not None and audited.labels != surrogate.labels:
            raise ConfigError(
                f"surrogate: its classes are {listed(surrogate.labels)}, those of {audited.name} are "
                f"{listed(audited.labels)}. Distil the model that is audited."
            )
        self.surrogate: Final = surrogate
        self.audited: Final = audited
        self.name: str = f"surrogate of {audited.name}" if audited is not None else "surrogate"
        self.labels: tuple[str, ...] = surrogate.labels
        self.scores = ScoreKind.LOGITS
        self.max_batch = max_batch
        self._device: Final = torch.device(device)
        self._module: Final = surrogate.module.eval().requires_grad_(False).to(self._device)
        self._fingerprint: Final = f"surrogate:{surrogate.fingerprint}"

    @classmethod
    def open(cls, path: str | Path, *, audited: Provider | None = None, device: str = "cpu") -> Self:
        """The surrogate in a file.

        Raises:
            ModelFileError: it is no surrogate, or damaged.
            ConfigError: its network is not known here, or the audited model has other classes.
        """
        return cls(Surrogate.read(path), audited=audited, device=device)

    @property
    def encoding(self) -> Encoding | None:
        """From rows to what the network takes; None for images."""
        return self.surrogate.encoding

    @property
    def learned_from(self) -> bool:
        """Whether ``audited`` is the very model whose answers it learned."""
        return self.audited is not None and self.audited.fingerprint == self.surrogate.audited

    @property
    def fingerprint(self) -> str:
        """Of the weights and the encoding."""
        return self._fingerprint

    @property
    def note(self) -> str:
        """That these are no answers of the audited model, and how often both agree."""
        sentence = "These scores are a distilled surrogate's, not the audited model's."
        fidelity = self.surrogate.about.get("fidelity")
        if isinstance(fidelity, dict):
            sentence += (
                f" Both gave the same class for {percent(fidelity['value'], digits=1)} of inputs it had not learned from "
                f"({percent(fidelity['low'], digits=1)} to {percent(fidelity['high'], digits=1)})."
            )
        if self.audited is not None and not self.learned_from:
            sentence += " It was distilled from another model, or the model has changed since."
        return sentence

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """The surrogate's logits; differentiable where ``x`` asks for gradients."""
        taken = x if self.encoding is None else self.encoding.apply(x)
        answer = ask_in_pieces(taken, max_batch=self.max_batch, ask=self.network)
        return answer.to(device=x.device, dtype=x.dtype if x.is_floating_point() else torch.float32)

    def network(self, u: Float[Tensor, "n *u"]) -> Float[Tensor, "n k"]:
        """The logits of what the network takes: images, or encoded rows; float32.

        Raises:
            ShapeError: inputs of another shape.
        """
        if tuple(u.shape[1:]) != self.surrogate.shape:
            raise ShapeError(
                f"{self.name}: expected inputs of shape (n, {', '.join(map(str, self.surrogate.shape))}), got "
                f"{tuple(u.shape)}."
            )
        with torch.set_grad_enabled(torch.is_grad_enabled() and u.requires_grad):
            answer: Tensor = self._module(u.to(device=self._device, dtype=torch.float32))
        return answer
