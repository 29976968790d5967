"""Subjects of explanation for models of images and rows: provider, differentiable network, domain."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.provider import DifferentiableProvider, Provider, answers_of
from cfsearch.contracts.scores import objective_scores, verdict_scores
from cfsearch.datasets.tables import Encoding
from cfsearch.errors import CapabilityError, ConfigError, listed
from cfsearch.providers.onnx.provider import OnnxProvider
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.tabular import TabularProvider

from .pixel_domain import PixelDomain
from .row_domain import RowDomain


def image_subject(
    provider: Provider,
    shape: tuple[int, ...],
    *,
    surrogate: DifferentiableProvider | None = None,
    block: int = 1,
) -> Subject:
    """Subject of a classifier of images, with its own gradients or a surrogate's.

    Args:
        provider: the audited model.
        shape: (channels, height, width) of its inputs.
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
        return objective_scores(answers_of(followed, u), kind=followed.scores)

    return Subject(provider, network, PixelDomain(shape, block=block), white_box=surrogate is None)


def row_subject(
    provider: Provider,
    encoding: Encoding,
    network: Callable[[Float[Tensor, "n w"]], Float[Tensor, "n k"]],
    *,
    immutable: Sequence[str] = (),
    white_box: bool = False,
) -> Subject:
    """Subject of a classifier of rows, with the gradients of a network on encoded columns.

    Args:
        provider: the audited model, on rows: numbers in their own units, levels as their index.
        encoding: what ``network`` takes.
        network: logits or log-probabilities of encoded rows ``(n, w)`` -> ``(n, k)``.
        immutable: columns that must not change, besides those of the schema.
        white_box: whether ``network`` is the audited model itself.
    """
    return Subject(provider, network, RowDomain(encoding, immutable=immutable), white_box=white_box)


def table_subject(
    model: TabularProvider,
    *,
    surrogate: SurrogateProvider | None = None,
    immutable: Sequence[str] = (),
    follow: bool = True,
) -> Subject:
    """Subject of an opened model of a table, with a surrogate's gradients or its own.

    Args:
        model: the audited model.
        surrogate: distilled from rows of such a table; None for the model's own gradients.
        immutable: columns that must not change, besides those of the schema.
        follow: whether gradients are needed; without, a model without gradients will do.

    Raises:
        ConfigError: the surrogate is of images, or of another table.
        CapabilityError: gradients are needed, and there are none.
    """
    if surrogate is not None:
        encoding, schema = surrogate.encoding, model.schema
        if encoding is None:
            raise ConfigError("--surrogate: it was distilled from images, not from rows of a table.")
        its, ours = (tuple((c.name, c.levels) for c in s.columns) for s in (encoding.schema, schema))
        if its != ours:
            raise ConfigError(
                f"--surrogate: its columns are {listed(encoding.schema.names)}; those of the table are "
                f"{listed(schema.names)}, or their levels differ. Distil it with this table's schema."
            )
        return row_subject(model, replace(encoding, schema=schema), surrogate.network, immutable=immutable)
    if model.white_box:
        return row_subject(model, model.encoding, model.network, immutable=immutable, white_box=True)
    if follow:
        raise CapabilityError(no_gradient(model))

    def network(u: Float[Tensor, "n w"]) -> Float[Tensor, "n k"]:
        return verdict_scores(answers_of(model, model.encoding.invert(u)), model).float()

    return replace(row_subject(model, model.encoding, network, immutable=immutable), asks=True)


def picture_subject(
    model: Provider,
    shape: tuple[int, ...],
    *,
    surrogate: SurrogateProvider | None = None,
    block: int = 1,
    follow: bool = True,
    device: str = "cpu",
) -> Subject:
    """Subject of an opened model of pictures or spectrograms: a surrogate's gradients, its own, or those of its ONNX graph.

    Args:
        model: the audited model.
        shape: (channels, height, width) of its inputs.
        surrogate: distilled from such pictures; None for the model's own gradients.
        block: side of a feature in pixels.
        follow: whether gradients are needed; without, a model without gradients will do.
        device: where the graph of an ONNX file is followed.

    Raises:
        ConfigError: the surrogate is of rows.
        CapabilityError: gradients are needed, and there are none.

    Example:
        >>> from cfsearch.testing import FakeProvider
        >>> picture_subject(FakeProvider(), (3, 8, 8), follow=False).white_box
        False
    """
    if surrogate is not None:
        if surrogate.encoding is not None:
            raise ConfigError("--surrogate: it was distilled from rows of a table, not from pictures.")
        return image_subject(model, shape, surrogate=surrogate, block=block)
    if isinstance(model, DifferentiableProvider):
        return image_subject(model, shape, block=block)
    if isinstance(model, OnnxProvider):
        from cfsearch.providers.differentiable import differentiable

        followed = differentiable(model, device=device)
        return replace(image_subject(model, shape, surrogate=followed, block=block), white_box=True)
    if follow:
        raise CapabilityError(no_gradient(model))

    def network(u: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        return verdict_scores(answers_of(model, u), model)

    return Subject(model, network, PixelDomain(shape, block=block))


def no_gradient(model: Provider) -> str:
    """Error message for a method that needs gradients and a model that has none."""
    return (
        f"{model.name}: gives no gradients, which this method follows. Distil a surrogate (`cfsearch "
        "distill`) and give it with --surrogate, or take --method emap, which fits its own."
    )
