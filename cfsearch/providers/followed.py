"""The network whose gradients are followed in place of a model: the model itself, its twin in torch, or its rows' network."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import DifferentiableProvider, Provider, ScoreKind
from cfsearch.errors import CapabilityError

from .onnx.provider import OnnxProvider
from .tabular import TabularProvider


@final
class RowNetwork(DifferentiableProvider):
    """A model of tables as a network on canonical rows, with gradients that reach their numbers.

    Args:
        model: whose ``network`` is to be had (``TabularProvider.white_box``).

    Raises:
        CapabilityError: it is not.
    """

    def __init__(self, model: TabularProvider) -> None:
        if not model.white_box:
            raise CapabilityError(
                f"{model.name}: gives no gradients. Distil it (`cfsearch distill`) and give the file with --surrogate."
            )
        self._model = model
        self.name: str = model.name
        self.labels: tuple[str, ...] = model.labels
        self.scores = ScoreKind.LOGITS
        self.max_batch: int = model.max_batch

    @property
    def fingerprint(self) -> str:
        """That of the model."""
        return self._model.fingerprint

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The model's log-scores.

        Args:
            x: rows in canonical form.
        """
        return self._model.network(self._model.encoding.apply(x))


def followed_network(model: Provider, *, device: str) -> DifferentiableProvider:
    """The network whose gradients are those of a model.

    Args:
        model: the audited model.
        device: where it runs.

    Raises:
        CapabilityError: no gradient passes through the model; says what to do.
        MissingExtraError: it is an ONNX file, and onnx2torch is not installed.
        ModelFileError: it is an ONNX file that cannot be converted to torch.

    Example:
        >>> from cfsearch.testing import FakeProvider, FakeWhiteBox
        >>> model = FakeWhiteBox(FakeProvider())
        >>> followed_network(model, device="cpu") is model
        True
    """
    if isinstance(model, DifferentiableProvider):
        return model
    if isinstance(model, TabularProvider):
        return RowNetwork(model)
    if isinstance(model, OnnxProvider):
        from .differentiable import differentiable

        return differentiable(model, device=device)
    raise CapabilityError(
        f"{model.name}: gives no gradients, which this search is to follow. Distil it (`cfsearch distill`) and give "
        "the file with --surrogate, or leave --gradients out."
    )
