"""From a model to a subject of explanation: which function gradients follow, on which numbers."""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.tables import Encoding
from cfsearch.errors import CapabilityError
from cfsearch.explainer import Subject
from cfsearch.provider import DifferentiableProvider, Provider
from cfsearch.scores import objective_scores

from .pixel_domain import PixelDomain
from .row_domain import RowDomain


def image_subject(
    provider: Provider,
    shape: tuple[int, ...],
    *,
    surrogate: DifferentiableProvider | None = None,
    block: int = 1,
) -> Subject:
    """A classifier of images, followed by its own gradients or by a surrogate's.

    Args:
        provider: the audited model.
        shape: (channels, height, width) of its inputs in the house form.
        surrogate: whose gradients are followed; the provider itself when left out.
        block: side of a feature in pixels, see ``PixelDomain``.

    Raises:
        CapabilityError: no surrogate, and the provider has no gradients.
    """
    followed = surrogate or provider
    if not isinstance(followed, DifferentiableProvider):
        raise CapabilityError(
            f"{provider.name}: explainers need gradients, which this model does not give. Distil a "
            "surrogate (`cfsearch distill`), or convert an ONNX file (the extra `gradients`)."
        )

    def network(u: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        return objective_scores(followed.predict(u), kind=followed.scores)

    return Subject(provider, network, PixelDomain(shape, block=block), white_box=surrogate is None)


def row_subject(
    provider: Provider,
    encoding: Encoding,
    network: Callable[[Float[Tensor, "n w"]], Float[Tensor, "n k"]],
    *,
    immutable: Sequence[str] = (),
    white_box: bool = False,
) -> Subject:
    """A classifier of rows, followed by a network on encoded numbers.

    Args:
        provider: the audited model, on rows in the house form.
        encoding: what ``network`` takes.
        network: logits or log-probabilities of encoded rows ``(n, w)`` -> ``(n, k)``.
        immutable: columns that must not change, besides those of the schema.
        white_box: whether ``network`` is the audited model itself.
    """
    return Subject(provider, network, RowDomain(encoding, immutable=immutable), white_box=white_box)
