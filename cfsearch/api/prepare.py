"""Conversion of a call's arguments to settings and parts, shared by Python and the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import tomli_w

from cfsearch.assembly.generator import open_generator
from cfsearch.assembly.inputs import settings_of_inputs
from cfsearch.assembly.isolation import isolation_of
from cfsearch.assembly.missing_numbers import may_keep, opened_with_missing
from cfsearch.assembly.model import open_inputs
from cfsearch.assembly.parts import Parts
from cfsearch.assembly.plugins import plugin_config
from cfsearch.assembly.table import TableInput, open_table
from cfsearch.config import Config
from cfsearch.contracts.generator import Generator
from cfsearch.contracts.labels import check_distinct
from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import TableSchema
from cfsearch.errors import ConfigError, listed
from cfsearch.files import write_atomically
from cfsearch.providers.isolated.live import isolated_live_provider, isolated_live_tabular
from cfsearch.providers.live import fitted_on, live_provider, live_tabular
from cfsearch.providers.text import live_text_model

from .inputs import kind_of_inputs, written_pictures, written_texts
from .models import in_memory, model_file, of_matrix, preprocessing_of, score_kind, written_sidecar
from .settings import GeneratorLike, check_names, coerced, placed, plain
from .tables import rows_in, written_table


@final
@dataclass(frozen=True, slots=True)
class Prepared:
    """A call in the form that ``assemble`` and ``Audit`` take: settings, and objects in their place."""

    config: Config
    parts: Parts


def prepared(
    model: object,
    x: object,
    folder: Path,
    *,
    generator: GeneratorLike | None,
    target: str | None,
    labels: Sequence[str] | None,
    scores: object,
    data: Mapping[str, Any],  # Any: settings of [data]
    given: Mapping[str, Any],  # Any: `Settings`
    audit: Mapping[str, Any] = MappingProxyType({}),  # Any: settings of [audit]
    second_generator: GeneratorLike | None = None,
    keep_missing: bool = True,
) -> Prepared:
    """Settings and parts of one call; inputs that are objects are written to a folder.

    Args:
        model: as for ``cfsearch.search``.
        x: likewise.
        folder: where inputs, the sidecar and a schema of this call are written.
        generator: a name, a path, or an object.
        target: the target class.
        labels: one a class.
        scores: what the model's numbers are.
        data: further settings of the inputs.
        given: further settings of the call.
        audit: settings of what an audit reports on; what is None is left to its default.
        second_generator: as ``generator``; None for none.
        keep_missing: as of ``cfsearch.assembly.model.open_inputs``.

    Raises:
        CfsearchError: something of it cannot be used; says what to give instead.
    """
    check_names(given)
    check_distinct(labels, where="labels")
    if isinstance(model, type):
        raise ConfigError(
            f"model: expected a fitted model, got the class {model.__name__} itself. Give an object of it."
        )
    given = coerced(given)
    kind, declared = score_kind(scores), preprocessing_of(given)  # type: ignore[arg-type]  # checked there
    named = settings_of_inputs(x)
    rows = named is None and kind_of_inputs(x, model=model, given=given) == "table"
    config = placed(given)
    config["data"] |= {name: plain(value) for name, value in data.items() if value is not None}
    columns = fitted_on(model)
    if named is not None:
        config["data"] |= {name: list(value) for name, value in named.items()}
    elif rows:
        config["data"]["table"] = str(written_table(x, folder, columns=columns))
        _check_alone(x, given)
    else:
        config["data"]["images"] = str(written_pictures(x, folder / "pictures"))
    if given.get("schema") is not None:
        config["data"]["schema"] = str(_written_schema(given["schema"], folder))
    if given.get("reference") is not None:
        place = folder / "reference"
        known = given["reference"]
        if named is not None:
            written = written_texts(known, place) if "texts" in named else Path(str(known))
        elif rows:
            written = written_table(known, place, columns=columns)
        else:
            written = written_pictures(known, place)
        config["data"]["reference"] = str(written)
    source = model_file(model, folder)
    name = given.get("model_name")
    config["model"]["path"] = in_memory(model, name) if source is None else str(source)
    if source is not None:
        sidecar = written_sidecar(
            source, folder, given=given.get("sidecar"), labels=labels, scores=kind, preprocessing=declared
        )
        if sidecar is not None:
            config["model"]["sidecar"] = str(sidecar)
    if target is not None:
        config["search"]["target"] = target
    config["search"] |= _plugins(given)
    live, declared_generator = _named_generator(generator)
    second, declared_second = _named_generator(second_generator)
    if declared_second is not None:
        config["search"]["second_generator"] = declared_second
    settings: dict[str, Any] = dict(config)  # Any: tables of Config
    if reported := {name: value for name, value in audit.items() if value is not None}:
        settings["audit"] = reported
    if declared_generator is not None:
        settings["generator"] = declared_generator
    checked = Config.check(settings, where="cfsearch")
    isolation = isolation_of(checked)
    table: TableInput | None = None
    provider: Provider | None = None
    if rows:
        if source is not None:
            table = open_inputs(checked, keep_missing=keep_missing)
        else:
            keep = keep_missing and may_keep(checked)
            table = open_table(checked, columns=columns, keep_missing=keep)
            open_rows = (
                live_tabular if isolation is None else partial(isolated_live_tabular, isolation=isolation)
            )

            def opening(one: TableInput) -> Provider:
                return open_rows(
                    of_matrix(model, x),
                    schema=one.schema,
                    probes=one.probes,
                    labels=labels,
                    scores=kind,
                    device=checked.run.device,
                    name=name,
                    target=target,
                )

            table, provider = opened_with_missing(table, opening)
    elif named is not None and "texts" in named:
        if source is None:
            if isolation is not None:
                raise ConfigError(
                    "isolate: a function of texts that is an object of this program stays in it. Name it as "
                    "'pkg.mod:predict', or leave `isolate` out."
                )
            provider = live_text_model(model, texts=named["texts"], labels=labels, scores=kind, name=name)
    elif source is None:
        live = live or open_generator(checked)
        open_inputs_of = (
            live_provider if isolation is None else partial(isolated_live_provider, isolation=isolation)
        )
        provider = open_inputs_of(
            model,
            shape=live.shape,
            labels=labels,
            scores=kind,
            preprocessing=declared,
            device=checked.run.device,
            name=name,
        )
    if provider is not None:
        _check_declared(provider, labels)
    return Prepared(checked, _parts(given, provider, live, table, second))


def _plugins(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that name the plug-ins of a call, as a file would."""
    named: dict[str, Any] = {}
    for group in ("objectives", "constraints"):
        if given.get(group) is not None:
            named[group] = [plugin_config(group, one).model_dump() for one in given[group]]
    if given.get("solver") is not None:
        named["solver"] = plugin_config("solvers", given["solver"]).model_dump()
    return named


def _parts(
    given: Mapping[str, Any],
    model: Provider | None,
    generator: Generator[Any] | None,
    table: TableInput | None,
    second: Generator[Any] | None,
) -> Parts:
    return Parts(
        model=model,
        generator=generator,
        table=table,
        solver=given.get("solver"),
        objectives=given.get("objectives"),
        constraints=given.get("constraints"),
        second_generator=second,
    )


def _named_generator(
    given: GeneratorLike | None,
) -> tuple[Generator[Any] | None, dict[str, Any] | str | None]:
    """A generator of the running program, None where it is named; and what the settings say of it, None where nothing was given."""
    made = given() if isinstance(given, type) else given
    if isinstance(made, Generator):
        return made, {"source": plugin_config("generators", made).name}
    if made is None:
        return None, None
    return None, dict(made) if isinstance(made, Mapping) else str(made)


def _check_alone(x: object, given: Mapping[str, Any]) -> None:
    """One row says nothing of ranges and levels: a schema, or a table to guess it from, is needed."""
    if rows_in(x) == 1 and given.get("schema") is None and given.get("reference") is None:
        raise ConfigError(
            "search: one row does not say what its columns may become. Give reference=TRAINING_TABLE (a data frame "
            "or CSV file), or schema=FILE.toml; or give the whole table as x and choose with rows=[17]."
        )


def _check_declared(provider: Provider, labels: Sequence[str] | None) -> None:
    if labels is not None and tuple(labels) != provider.labels:
        raise ConfigError(
            f"labels: the model {provider.name!r} has the classes {listed(provider.labels)}, got "
            f"{listed(labels)}. Leave `labels` out, or give them in the model's order."
        )


def _written_schema(schema: object, folder: Path) -> Path:
    if isinstance(schema, TableSchema):
        folder.mkdir(parents=True, exist_ok=True)
        return write_atomically(folder / "table.schema.toml", tomli_w.dumps(schema.to_dict()))
    if isinstance(schema, str | Path):
        return Path(schema)
    raise ConfigError(
        f"schema: expected a TableSchema or the path of a TOML file, got {type(schema).__name__}."
    )
