"""Opening the audited model of a configuration: here, or in a process of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from cfsearch.config import Config, ModelConfig
from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import TableSchema
from cfsearch.providers.opening import open_provider, runs_code
from cfsearch.providers.served.address import is_address
from cfsearch.providers.tabular import TabularProvider
from cfsearch.providers.tabular_opening import columns_taken, open_tabular

if TYPE_CHECKING:
    from cfsearch.providers.isolated.session import Isolation
    from cfsearch.providers.onnx.file import OnnxFile


def isolation_of(config: Config) -> "Isolation | None":
    """The limits of the model's own process; None where it is opened here, or runs behind an address.

    Explainers that stand in the first population (``search.seed_with``), and a search by gradients, follow those of
    the model where no surrogate gives them, and gradients do not pass from process to process.

    Args:
        config: all settings.
    """
    run = config.run
    if (
        not run.isolate
        or is_address(config.model.path)
        or ((config.search.seed_with or config.search.gradients) and config.model.surrogate is None)
    ):
        return None
    from cfsearch.providers.isolated.session import Isolation

    offline = config.model.trust_model is not None
    return Isolation(deadline_s=run.deadline, memory_gib=run.memory, offline=offline, threads=run.threads)


def trusted_of(model: ModelConfig) -> tuple[str, ...]:
    """The types of a skops file that the user lets in: by name, or all of a file by its hash.

    Args:
        model: settings of the model.

    Raises:
        UnsafeModelError: the file is not the one that was vouched for.
    """
    named = model.trust or ()
    if model.trust_model is None or not model.path.lower().endswith(".skops"):
        return named
    from cfsearch.providers.trust import trusted_types

    return (*named, *trusted_types(Path(model.path), given=model.trust_model))


def model_of_inputs(config: Config, path: str, *, arch: str | None) -> Provider:
    """The model of pictures or sounds.

    Args:
        config: all settings.
        path: what names the model.
        arch: ``pkg.mod:build`` of a file of weights.

    Raises:
        CfsearchError: as ``open_provider``.
    """
    isolation, settings, run = isolation_of(config), config.model, config.run
    if isolation is None:
        return open_provider(
            path,
            sidecar=settings.sidecar,
            arch=arch,
            device=run.device,
            threads=run.threads,
            deadline_s=run.deadline,
            trust_model=settings.trust_model,
        )
    from cfsearch.providers.isolated.provider import isolated_provider

    return isolated_provider(
        path,
        isolation=isolation,
        sidecar=settings.sidecar,
        arch=arch,
        device=run.device,
        threads=run.threads,
        trust_model=settings.trust_model,
    )


def model_of_rows(
    config: Config, *, schema: TableSchema, probes: Float[Tensor, "p d"], file: "OnnxFile | None"
) -> TabularProvider:
    """The model of a table.

    Args:
        config: all settings.
        schema: what the columns of a row mean.
        probes: rows to ask about first.
        file: the ONNX file, where it was read before.

    Raises:
        CfsearchError: as ``open_tabular``.
    """
    isolation, settings, run = isolation_of(config), config.model, config.run
    trusted = trusted_of(settings)
    if isolation is None:
        return open_tabular(
            settings.path,
            schema=schema,
            probes=probes,
            sidecar=settings.sidecar,
            arch=settings.arch,
            trusted=trusted,
            device=run.device,
            threads=run.threads,
            deadline_s=run.deadline,
            trust_model=settings.trust_model,
            file=file,
            target=config.search.target,
        )
    from cfsearch.providers.isolated.provider import isolated_tabular

    return isolated_tabular(
        settings.path,
        schema=schema,
        probes=probes,
        isolation=isolation,
        sidecar=settings.sidecar,
        arch=settings.arch,
        trusted=list(trusted),
        device=run.device,
        threads=run.threads,
        trust_model=settings.trust_model,
        target=config.search.target,
    )


def columns_of_model(config: Config, *, table: str | None, file: "OnnxFile | None") -> Sequence[str] | None:
    """The columns that the model says it takes; None where it does not say.

    Args:
        config: all settings.
        table: a file of such rows.
        file: the ONNX file, where the model is one.

    Raises:
        CfsearchError: as ``columns_taken``.
    """
    isolation, settings = isolation_of(config), config.model
    if settings.trust_model is not None and runs_code(Path(settings.path).suffix.lower()):
        return None
    trusted = trusted_of(settings)
    if isolation is None or not settings.path.lower().endswith(
        ".skops"
    ):  # others are parsed, and run nothing
        return columns_taken(settings.path, sidecar=settings.sidecar, trusted=trusted, table=table, file=file)
    from cfsearch.providers.isolated.provider import isolated_columns

    return isolated_columns(
        settings.path, isolation=isolation, sidecar=settings.sidecar, trusted=list(trusted), table=table
    )
