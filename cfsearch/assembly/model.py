"""The audited model of a configuration, and the table that it is asked about; no search yet."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from cfsearch import registry
from cfsearch.config import Config
from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import check_labels
from cfsearch.errors import ConfigError
from cfsearch.providers.agreement import check_agreement
from cfsearch.providers.opening import open_provider
from cfsearch.providers.tabular import TabularProvider
from cfsearch.providers.tabular_opening import columns_taken, onnx_file_of, open_tabular

from .table import TableInput, open_table


@final
@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The audited model of a configuration, without a search: for explainers and distillation.

    ``table`` holds the rows, their names and their schema (``table.x``, ``table.names``,
    ``table.schema``, ``table.reference``) where inputs are rows, and is None for images. Of a table
    ``model`` is a ``TabularProvider``: ``model.encoding`` and ``model.network``.
    """

    config: Config
    model: Provider
    table: TableInput | None
    notes: tuple[str, ...]

    @property
    def tabular(self) -> TabularProvider:
        """The model of a table.

        Raises:
            ConfigError: inputs are images.
        """
        if not isinstance(self.model, TabularProvider):
            raise ConfigError(f"{self.model.name}: expected a model of tables. Give --data TABLE.csv.")
        return self.model


def open_inputs(config: Config) -> TableInput:
    """The table of ``[data]``, with the columns that the model of ``[model]`` says it takes.

    Raises:
        ConfigError, DataError: as ``cfsearch.assembly.table.open_table``.
        ModelFileError, UnsafeModelError: the model cannot be read.
    """
    said = config.model
    rows = config.data.reference or config.data.table
    file = onnx_file_of(said.path)
    taken = columns_taken(said.path, sidecar=said.sidecar, trusted=said.trust or (), table=rows, file=file)
    return replace(open_table(config, columns=taken), file=file)


def open_model(config: Config, *, table: TableInput | None = None, model: Provider | None = None) -> Opened:
    """The model that ``[model]`` names, and the table of ``[data]`` where inputs are rows.

    Args:
        config: all settings.
        table: where it was opened before.
        model: where it is an object of the running program.

    Raises:
        ConfigError: settings that do not go together, or an unknown class as target.
        ModelFileError, UnsafeModelError: the model cannot be read.
        DataError: the table cannot be read, has other classes than the model, or the model answers
            its rows otherwise as pandas reads them.
    """
    said = config.model
    if model is not None:
        if table is not None:
            table = replace(table, file=None)
            check_labels(table.schema, model.labels)
        notes = (*(() if table is None else table.notes), model.note)
        opened = Opened(config, model, table, tuple(note for note in notes if note))
    elif config.data.table is None:
        model = open_provider(
            said.path,
            sidecar=said.sidecar,
            arch=said.arch,
            device=config.run.device,
            threads=config.run.threads,
        )
        opened = Opened(config, model, None, (model.note,) if model.note else ())
    else:
        trusted = said.trust or ()
        table = table or open_inputs(config)
        read = table.file is not None and table.file.path == Path(said.path)
        rows = open_tabular(
            said.path,
            schema=table.schema,
            probes=table.probes,
            sidecar=said.sidecar,
            arch=said.arch,
            trusted=trusted,
            device=config.run.device,
            threads=config.run.threads,
            file=table.file if read else None,
        )
        table = replace(table, file=None)
        check_labels(table.schema, rows.labels)
        compared = "" if table.sample is None else check_agreement(rows, table.sample)
        notes = tuple(note for note in (*table.notes, rows.note, compared) if note)
        opened = Opened(config, rows, table, notes)
    if config.search.target is not None and config.search.target not in opened.model.labels:
        raise ConfigError(
            f"target: {registry.unknown('class', config.search.target, list(opened.model.labels))}"
        )
    return opened
