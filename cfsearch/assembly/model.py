"""The audited model of a configuration, and the table of its inputs; no search yet."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from cfsearch import registry
from cfsearch.config import Config
from cfsearch.contracts.generator import Generator
from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import check_labels
from cfsearch.datasets.text import Lexicon
from cfsearch.errors import ConfigError, PluginError
from cfsearch.providers.agreement import check_agreement
from cfsearch.providers.tabular import TabularProvider
from cfsearch.providers.tabular_opening import onnx_file_of
from cfsearch.providers.text import is_function_of_texts, open_text_model, text_model

from .generator import open_words
from .inputs import SHIPPED_SOUND, SHIPPED_SOUND_ARCH, Inputs, open_sounds, open_texts, shipped_sound_model
from .isolation import columns_of_model, isolation_of, model_of_inputs, model_of_rows
from .table import TableInput, open_table

_PROBES: Final = 32


@final
@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The audited model of a configuration, without a search: for explainers and distillation.

    ``table`` holds the rows, their names and their schema (``table.x``, ``table.names``,
    ``table.schema``, ``table.reference``) where inputs are rows, and is None for others. Of a table
    ``model`` is a ``TabularProvider``: ``model.encoding`` and ``model.network``. ``inputs`` holds texts
    and recordings; of texts ``generator`` has the lexicon that the model is queried by.
    """

    config: Config
    model: Provider
    table: TableInput | None
    notes: tuple[str, ...]
    inputs: Inputs | None = None
    generator: Generator[Any] | None = None

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
    settings = config.model
    rows = config.data.reference or config.data.table
    file = onnx_file_of(settings.path)
    taken = columns_of_model(config, table=rows, file=file)
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
    settings = config.model
    if config.data.texts is not None:
        opened = _of_texts(config, model)
    elif model is not None:
        if table is not None:
            table = replace(table, file=None)
            check_labels(table.schema, model.labels)
        compared = ""
        if table is not None and table.sample is not None and isinstance(model, TabularProvider):
            compared = check_agreement(model, table.sample)
        notes = (*(() if table is None else table.notes), model.note, compared)
        sounds = None if config.data.sounds is None else open_sounds(config)
        opened = Opened(config, model, table, tuple(note for note in notes if note), sounds)
    elif config.data.table is None:
        shipped = config.data.sounds is not None and settings.path == SHIPPED_SOUND
        model = model_of_inputs(
            config,
            str(shipped_sound_model()) if shipped else settings.path,
            arch=settings.arch or (SHIPPED_SOUND_ARCH if shipped else None),
        )
        sounds = None if config.data.sounds is None else open_sounds(config)
        opened = Opened(config, model, None, (model.note,) if model.note else (), sounds)
    else:
        table = table or open_inputs(config)
        read = table.file is not None and table.file.path == Path(settings.path)
        file = table.file if read else None
        rows = model_of_rows(config, schema=table.schema, probes=table.probes, file=file)
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


def _of_texts(config: Config, given: Provider | None) -> Opened:
    """Texts, the generator whose lexicon gives their pieces numbers, and the model queried by these."""
    inputs = open_texts(config)
    generator = open_words(config, inputs)
    lexicon: object = getattr(generator, "lexicon", None)
    if not isinstance(lexicon, Lexicon):
        raise PluginError(
            f"generator {generator.name!r}: a generator of texts must have a `lexicon`, got {lexicon!r}. See "
            "cfsearch.generators.words."
        )
    x = lexicon.encode(inputs.texts, length=generator.shape[0])
    state = generator.encode(x)
    space = generator.space(state)
    varied = generator.decode(
        state, space.sample(_PROBES, rngs=[np.random.default_rng(i) for i in range(space.b)])
    )
    inputs = inputs.encoded(x, varied=varied.transpose(0, 1).flatten(0, 1))
    isolation = isolation_of(config)
    if given is not None:
        model = text_model(given, lexicon=lexicon)
    elif isolation is not None and is_function_of_texts(config.model.path):
        from cfsearch.providers.isolated.provider import isolated_text_model

        model = isolated_text_model(
            config.model.path,
            lexicon=lexicon,
            probes=inputs.probes,
            isolation=isolation,
            sidecar=config.model.sidecar,
            device=config.run.device,
        )
    else:
        model = open_text_model(
            config.model.path,
            lexicon=lexicon,
            probes=inputs.probes,
            sidecar=config.model.sidecar,
            device=config.run.device,
            deadline_s=config.run.deadline,
        )
    return Opened(
        config, model, None, tuple(note for note in (*inputs.notes, model.note) if note), inputs, generator
    )
