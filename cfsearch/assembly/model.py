"""The audited model of a configuration, and the table of its inputs; no search yet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from cfsearch import registry
from cfsearch.config import Config
from cfsearch.contracts.generator import Generator
from cfsearch.contracts.modality import PICTURES, ROWS, SOUNDS, TEXTS, Modality
from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import check_labels
from cfsearch.datasets.text import Lexicon
from cfsearch.errors import ConfigError, PluginError
from cfsearch.places import is_file
from cfsearch.providers.agreement import check_agreement
from cfsearch.providers.sidecar import sidecar_path
from cfsearch.providers.tabular import TabularProvider
from cfsearch.providers.tabular_opening import onnx_file_of
from cfsearch.providers.text import is_function_of_texts, open_text_model, text_model

from .decided import chosen_by_decision
from .generator import open_words
from .inputs import SHIPPED_SOUND, SHIPPED_SOUND_ARCH, Inputs, open_sounds, open_texts, shipped_sound_model
from .isolation import columns_of_model, isolation_of, model_of_inputs, model_of_rows
from .known_numbers import with_known_numbers
from .missing_numbers import may_keep, opened_with_missing
from .table import TableInput, open_table

_PROBES: Final = 32
Reading = Callable[[], TableInput]
"""What reads the rows, where inputs are rows."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The audited model of a configuration, without a search: for explainers and distillation.

    ``inputs`` holds rows, texts and recordings, and is None for images, which are read one by one. Of rows
    it is ``table`` (``table.x``, ``table.names``, ``table.schema``, ``table.reference``), and ``model`` is a
    ``TabularProvider``: ``model.encoding`` and ``model.network``. Of texts ``generator`` has the lexicon that the
    model is queried by.
    """

    config: Config
    model: Provider
    inputs: Inputs | None
    notes: tuple[str, ...]
    generator: Generator[Any] | None = None

    @property
    def table(self) -> TableInput | None:
        """The rows, where inputs are rows."""
        return self.inputs if isinstance(self.inputs, TableInput) else None

    @property
    def tabular(self) -> TabularProvider:
        """The model of a table.

        Raises:
            ConfigError: inputs are images.
        """
        if not isinstance(self.model, TabularProvider):
            raise ConfigError(f"{self.model.name}: expected a model of tables. Give --data TABLE.csv.")
        return self.model


def open_inputs(config: Config, *, spare: bool = False, keep_missing: bool = False) -> TableInput:
    """The table of ``[data]``, with the columns that the model of ``[model]`` says it takes.

    Args:
        config: all settings.
        spare: as of ``cfsearch.assembly.table.open_table``.
        keep_missing: keep rows that lack a number where the schema is guessed, the settings let them stay, and the
            model turns out to take them.

    Raises:
        ConfigError, DataError: as ``cfsearch.assembly.table.open_table``.
        ModelFileError, UnsafeModelError: the model cannot be read.
    """
    settings = config.model
    rows = config.data.reference or config.data.table
    file = onnx_file_of(settings.path)
    taken = columns_of_model(config, table=rows, file=file)
    keep = keep_missing and may_keep(config)
    return replace(open_table(config, columns=taken, spare=spare, keep_missing=keep), file=file)


def open_model(
    config: Config,
    *,
    table: TableInput | None = None,
    model: Provider | None = None,
    spare: bool = False,
    keep_missing: bool = False,
) -> Opened:
    """The model that ``[model]`` names, and the table of ``[data]`` where inputs are rows.

    Args:
        config: all settings.
        table: where it was opened before.
        model: where it is an object of the running program.
        spare: leave out rows of the table that cannot be read, see ``cfsearch.assembly.table.open_table``.
        keep_missing: as of ``open_inputs``.

    Raises:
        ConfigError: settings that do not go together, or an unknown class as target.
        ModelFileError, UnsafeModelError: the model cannot be read.
        DataError: the table cannot be read, has other classes than the model, or the model answers
            its rows otherwise as pandas reads them.
    """

    def read() -> TableInput:
        return table or open_inputs(config, spare=spare, keep_missing=keep_missing)

    opened = _OPENED[config.data.modality](config, read, model)
    if config.data.decided is not None and opened.table is not None:
        chosen = chosen_by_decision(
            opened.table, opened.model, decided=config.data.decided, limit=config.data.limit
        )
        opened = replace(
            opened, inputs=chosen, notes=(*opened.notes, *chosen.notes[len(opened.table.notes) :])
        )
    if config.search.target is not None and config.search.target not in opened.model.labels:
        raise ConfigError(
            f"target: {registry.unknown('class', config.search.target, list(opened.model.labels))}"
        )
    return opened


def _of_pictures(config: Config, _: Reading, given: Provider | None) -> Opened:
    model = model_of_inputs(config, config.model.path, arch=config.model.arch) if given is None else given
    return Opened(config, model, None, _noted(model.note))


def _of_sounds(config: Config, _: Reading, given: Provider | None) -> Opened:
    model = given
    if model is None:
        shipped = config.model.path == SHIPPED_SOUND
        model = model_of_inputs(
            config,
            str(shipped_sound_model()) if shipped else config.model.path,
            arch=config.model.arch or (SHIPPED_SOUND_ARCH if shipped else None),
        )
    return Opened(config, model, open_sounds(config), _noted(model.note))


def _of_rows(config: Config, read: Reading, given: Provider | None) -> Opened:
    table = read()

    def opening(one: TableInput) -> Provider:
        same = one.file is not None and one.file.path == Path(config.model.path)
        return model_of_rows(config, schema=one.schema, probes=one.probes, file=one.file if same else None)

    table, model = opened_with_missing(table, opening) if given is None else (table, given)
    table = replace(table, file=None)
    path = Path(config.model.path)
    beside = config.model.sidecar or (sidecar_path(path) if given is None and is_file(path) else "")
    check_labels(table.schema, model.labels, beside=str(beside))
    compared = ""
    if table.sample is not None and isinstance(model, TabularProvider):
        compared = check_agreement(model, table.sample)
    if isinstance(model, TabularProvider):
        table = with_known_numbers(table, model)
    return Opened(config, model, table, _noted(*table.notes, model.note, compared))


def _noted(*notes: str) -> tuple[str, ...]:
    return tuple(note for note in notes if note)


def _of_texts(config: Config, _: Reading, given: Provider | None) -> Opened:
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
    return Opened(config, model, inputs, _noted(*inputs.notes, model.note), generator)


_OPENED: Final[Mapping[Modality, Callable[[Config, Reading, Provider | None], Opened]]] = {
    PICTURES: _of_pictures,
    ROWS: _of_rows,
    TEXTS: _of_texts,
    SOUNDS: _of_sounds,
}
