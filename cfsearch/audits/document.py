"""``audit.json``: the document of an audit, which the page, gates and exports read."""

import dataclasses
import inspect
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cfsearch.assembly.search import Assembly
from cfsearch.contracts.generator import Critic
from cfsearch.contracts.objective import Objective
from cfsearch.errors import listed

from .columns.words import column_verdicts
from .correction import GeneratorError
from .dataset import dataset_warnings
from .figures import Figures
from .stopping import ended_early
from .verdict import verdicts

FORMAT = "cfsearch-audit/1"


def audit_document(
    *,
    run_id: str,
    title: str,
    created: str,
    finished: str | None,
    command: str,
    assemblies: Mapping[str, Assembly],
    models: Sequence[dict[str, Any]],
    figures: Mapping[str, Figures],
    effects: Sequence[dict[str, Any]],
    errors: Mapping[str, GeneratorError] = MappingProxyType({}),
    versions: Mapping[str, str],
    hashes: Mapping[str, str],
    genuine: Sequence[dict[str, Any]] = (),
    groups: Sequence[dict[str, Any]] = (),
    attainment: Sequence[dict[str, Any]] = (),
    stopping: dict[str, Any] | None = None,
    columns: Sequence[dict[str, Any]] = (),
    shared: Sequence[dict[str, Any]] = (),
    contributions: Sequence[dict[str, Any]] = (),
    dataset: dict[str, Any] | None = None,
    python: str,
) -> dict[str, Any]:
    """The document of one or more audited models, searched alike.

    Args:
        run_id: name of the run.
        title: what the report is called.
        created: when the run was started, ISO 8601.
        finished: when it ended; None while it has not.
        command: the command line that made it.
        assemblies: the search of each model, by its id.
        models: the entry of each model (``model_entry``).
        figures: of the instances of each model, by its id.
        effects: rows of all models (``effect_rows``).
        errors: of the generator on each model, by its id, where it was measured.
        versions: of what decides results.
        hashes: SHA-256 by what they are of.
        genuine: how many flips survive a true re-render, where that is known.
        groups: what was found by group, where groups were given.
        attainment: differences of the groups' fronts (``attainment_rows``).
        stopping: the conditions that the audit could end on, and how they stand.
        columns: effects of a table's protected columns (``column_rows``).
        dataset: what the description of the data says (``described_dataset``).
        shared: coverage of few changes on many inputs (``shared_rows``).
        contributions: of changed variables to the flips (``contribution_rows``).
        python: a program that makes the same again (``program``).
    """
    first = next(iter(assemblies.values()))
    robust = [entry for one in figures.values() for entry in one.robustness()]
    agreed = [entry for one in figures.values() for entry in one.agreement()]
    audit = first.config.audit
    noun = first.config.data.noun
    return {
        "format": FORMAT,
        **first.modality.entry,
        "title": title,
        **({"about": about} if (about := first.config.about.given()) else {}),
        **({} if dataset is None else {"dataset": dataset}),
        "run_id": run_id,
        "created": created,
        "finished": finished,
        "versions": dict(versions),
        "command": command,
        "models": list(models),
        "generator": _generator(first, figures),
        **_second_generator(first),
        "search": _search(first),
        "practical": audit.practical,
        "protected": list(audit.protected),
        "verdicts": verdicts(
            effects,
            models=models,
            protected=audit.protected,
            practical=audit.practical,
            noun="picture" if noun == "image" else noun,
            groups=groups,
        )
        + column_verdicts(columns, models=models, practical=audit.practical, noun=noun),
        "counts": [one.counts() for one in figures.values()],
        "instances": [entry for one in figures.values() for entry in one.instances],
        "changes": [entry for one in figures.values() for entry in one.changes()],
        "transitions": [entry for one in figures.values() for entry in one.transitions()],
        "effects": list(effects),
        **({"generator_error": [error_entry(m, e) for m, e in errors.items()]} if errors else {}),
        **({"groups": list(groups)} if groups else {}),
        **({"attainment": list(attainment)} if attainment else {}),
        **({} if stopping is None else {"stopping": stopping}),
        **({"columns": list(columns)} if columns else {}),
        **({"shared": list(shared)} if shared else {}),
        **({"contributions": list(contributions)} if contributions else {}),
        **({"robustness": robust} if robust else {}),
        **({"agreement": agreed} if agreed else {}),
        "genuine": list(genuine),
        "warnings": [
            *ended_early(stopping, noun=noun),
            *dataset_warnings(dataset, noun=noun),
            *_unmeasured(effects),
            *_warnings(assemblies, figures.values(), bool(genuine)),
        ],
        "reproduce": {
            "command": command,
            "python": python,
            "hashes": [{"what": what, "sha256": digest} for what, digest in hashes.items()],
        },
    }


def error_entry(model: str, error: GeneratorError) -> dict[str, Any]:
    """What a reader must know of a generator's error on one model, in logits of its last class.

    Args:
        model: its id.
        error: as it was measured.
    """
    return {
        "model": model,
        "sd": round(error.sd, 4),
        "unexplained": round(error.unexplained, 4),
        "photographs": error.photographs,
        "labelled": error.labelled,
        "combined": error.combines,
    }


_PYTHON = """\
import cfsearch

result = cfsearch.audit(cfsearch.Config.read({settings!r}), out="again")
fronts = {{front.name: front for front in result.fronts}}
"""


def program(directory: Path) -> str:
    """The Python that makes a run again, from where it was started.

    Args:
        directory: of the run, as the user named it.
    """
    return _PYTHON.format(settings=(directory / "config.resolved.toml").as_posix())


def _generator(assembly: Assembly, figures: Mapping[str, Figures]) -> dict[str, Any]:
    variables = next((one.variables for one in figures.values() if one.fronts), ())
    generator = assembly.search.generator
    return {
        "name": generator.name,
        "fingerprint": generator.fingerprint,
        "critic": generator.critic_kind if isinstance(generator, Critic) else "",
        "size": list(generator.shape[1:]),
        "variables": list(variables),
        **({"terms": generator.terms} if generator.terms else {}),
    }


def _second_generator(assembly: Assembly) -> dict[str, Any]:
    second = assembly.second_generator
    if second is None:
        return {}
    terms = {"terms": second.terms} if second.terms else {}
    return {"second_generator": {"name": second.name, "fingerprint": second.fingerprint, **terms}}


def _search(assembly: Assembly) -> dict[str, Any]:
    config, search, config_of = assembly.config.search, assembly.search, assembly.config.data
    return {
        "solver": config.solver.name,
        "population": search.population,
        "evaluations": search.evaluations,
        **({} if search.max_queries is None else {"max_queries": search.max_queries}),
        **({} if search.max_time is None else {"max_time": search.max_time}),
        "objectives": [
            {"name": o.name, "unit": o.unit, "meaning": _meaning(o), "settings": _settings(o)}
            for o in search.objectives
        ],
        "constraints": [c.name for c in search.constraints],
        "target": search.target,
        **({} if config_of.decided is None else {"decided": config_of.decided}),
        "immutable": list(search.immutable),
        "seed": search.seed,
        **({"seeded_with": [p.name for p in config.seed_with]} if config.seed_with else {}),
    }


def _meaning(objective: Objective) -> str:
    return (inspect.getdoc(type(objective)) or "").split("\n\n")[0].replace("\n", " ").replace("``", "")


def _settings(objective: Objective) -> dict[str, Any]:
    if not dataclasses.is_dataclass(objective):
        return {}
    values = {f.name: getattr(objective, f.name) for f in dataclasses.fields(objective) if f.init}
    return {
        name: v for name, v in values.items() if v is None or isinstance(v, str | int | float | list | tuple)
    }


def _unmeasured(effects: Sequence[Mapping[str, Any]]) -> list[str]:
    """A warning where nobody measured whether the generator's edits can be seen at all."""
    missing = [e["variable"] for e in effects if "edit_success" not in e and e["truth"] is None]
    if not missing:
        return []
    if any("edit_success" in e for e in effects):
        return [
            f"Whether the generator's edits of {listed(list(dict.fromkeys(missing)))} can be seen was never measured; these effects are "
            "read as “cannot tell”."
        ]
    return [
        "Whether the generator's edits can be seen was never measured: its file carries no edit success. An "
        "effect through an edit that changes nothing is none of the attribute's, so that these effects are "
        "read as “cannot tell”."
    ]


def _warnings(assemblies: Mapping[str, Assembly], figures: Collection[Figures], genuine: bool) -> list[str]:
    """Warnings about the result, most serious first."""
    found = []
    first = next(iter(assemblies.values()))
    things = f"{first.modality.thing}s"
    everything = sum(len(one.instances) for one in figures)
    failed, searched = sum(one.status["failed"] for one in figures), sum(one.searched for one in figures)
    same, broken = sum(one.constant for one in figures), sum(one.broken for one in figures)
    if failed:
        found.append(f"{failed} of {everything} {things} failed and are not in any figure.")
    if same:
        found.append(
            f"For {same} {things if same > 1 else first.modality.thing} the model's output never changed."
        )
    if broken:
        found.append(
            f"For {broken} of {everything} {things} the generator's reconstruction alone already "
            "changes the model's mind; their named changes are not what flips it."
        )
    if searched < 30 * len(figures):
        found.append(
            f"Few {things} ({searched} searched over {len(figures)} model{'s' * (len(figures) > 1)}): the intervals are wide, "
            "and what they leave open is undecided."
        )
    if not genuine:
        found += first.modality.restrictions(reference=first.config.data.reference is not None)
    found += list(dict.fromkeys(note for a in assemblies.values() for note in a.notes))
    return found
