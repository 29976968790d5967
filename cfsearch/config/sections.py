"""The tables of ``cfsearch.toml`` besides ``[data]``: model, generator, search, run, audit, about."""

import re
from datetime import date
from typing import Annotated, Any, Literal, final

from pydantic import AfterValidator, Field, field_validator, model_validator

from cfsearch.places import is_there
from cfsearch.secrecy import shown

from .checking import Place, Strict
from .plugins import PluginConfig, Setting, check_widths, parse_plugin

_MOST = 10**9
"""Queries, and members of a population, beyond which a number is a slip."""


@final
class ModelConfig(Strict):
    """The audited model.

    Args:
        path: ``model.onnx``, ``weights.safetensors``, ``pkg.mod:predict`` or ``plugin:NAME``; of
            tables also ``model.skops``. Of texts and sounds the shipped model when left out.
        sidecar: the TOML that says labels and preprocessing; beside the model when left out.
        arch: ``pkg.mod:build`` for a file of weights.
        votes: for a model that gives labels only, how often each candidate is queried.
        sigma: standard deviation of the perturbations of these votes, on [0, 1].
        trust: types in a skops file, besides skops' own list, that are known and let in.
        trust_model: ``sha256:...`` of a file that may run code when it is loaded: a pickle, joblib, TorchScript,
            ``torch.export``, or a skops file with whatever types.
        surrogate: a file of ``cfsearch distill``, which is queried about candidates instead of the
            model; what is stored is verified with the model all the same.
    """

    path: Place
    sidecar: Place | None = None
    arch: Place | None = None
    votes: int = Field(default=16, ge=2, le=1024)
    sigma: float = Field(default=0.05, gt=0.0, le=1.0)
    trust: tuple[str, ...] | None = None
    trust_model: str | None = None
    surrogate: Place | None = None

    @field_validator("trust_model")
    @classmethod
    def _a_hash(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"sha256:[0-9a-fA-F]{64}", value):
            raise ValueError(f"expected sha256: and 64 hexadecimal digits, got {shown(value)}")
        return value


@final
class GeneratorConfig(Strict):
    """The generator: a file, a shipped checkpoint (``faces64``) or a plug-in's name.

    Left out, ``pixels`` for images, ``rows`` for a table, ``words`` for texts and ``bands`` for sounds.
    """

    source: Place = "pixels"
    settings: Annotated[dict[str, Setting], AfterValidator(check_widths)] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:  # Any: whatever stands in the file
        if isinstance(value, str) and not is_there(value):
            parsed = parse_plugin(value)
            return {"source": parsed["name"], "settings": parsed["settings"]}
        if not isinstance(value, str | dict | cls):
            raise ValueError(
                f"expected a file, a name or a table with `source` and `settings`, got {shown(value)}"
            )
        return {"source": value} if isinstance(value, str) else value


@final
class SearchConfig(Strict):
    """How each instance is searched; the meaning of each stands with ``cfsearch.Search``.

    ``critic`` says how plausible a row is, against the reference table: "density" (nearness of its
    rows, the default), "forest" (log density by an adversarial random forest) or "trained" (a network that tells
    them from broken ones). ``seed_with`` names
    explainers whose counterfactuals stand in the first population, and "nearest" (the nearest rows of the target class
    as the model decides them, the default with a reference table; an empty list or "none" for no seeds); of rows only. ``genuineness``: whether
    an audit through a generator of attributes measures which counterfactuals are the generator's own doing
    (``cfsearch.audits.genuineness``). ``second_generator``: another training of the same attributes, which must agree that a member is
    genuine. ``gradients``: whether two generations of three follow gradients of the model, or of a surrogate. ``answers``: how many members, different from each other, are shown first.
    ``robustness``: so many small changes are tried of each member that is shown, 0 for none (``cfsearch.engine.robustness``).

    Of a table, ``evaluations`` are 900, ``population`` 50 and ``patience`` 6 when left out; with a reference table
    ``evaluations`` are 600, and ``pruning`` is .34; with the solver ``bayesian`` ``evaluations`` are 300 and ``population`` 10.
    """

    solver: PluginConfig = PluginConfig(name="nsga2")
    objectives: tuple[PluginConfig, ...] = ()
    constraints: tuple[PluginConfig, ...] = ()
    evaluations: int = 5000
    population: int = 100
    capacity: int = 100
    pruning: float = Field(default=0.15, ge=0.0, lt=1.0)
    patience: int = Field(default=0, ge=0, le=_MOST)
    max_queries: int | None = None
    max_time: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    target: str | None = None
    immutable: tuple[str, ...] = ()
    reference_point: tuple[float, ...] | None = None
    critic: Literal["density", "forest", "trained"] | None = None
    seed_with: tuple[PluginConfig, ...] | None = None
    genuineness: bool = True
    second_generator: GeneratorConfig | None = None
    gradients: bool = False
    answers: int = Field(default=4, ge=1, le=10**9)
    robustness: int = Field(default=0, ge=0, le=100)

    @field_validator("seed_with")
    @classmethod
    def _none(cls, value: tuple[PluginConfig, ...] | None) -> tuple[PluginConfig, ...] | None:
        names = [plugin.name for plugin in value or ()]
        if "none" in names and len(names) > 1:
            raise ValueError(f"'none' stands alone, got {', '.join(names)}")
        return () if names == ["none"] else value

    @field_validator("evaluations", "population", "capacity", "max_queries")
    @classmethod
    def _positive(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise ValueError(f"must be a whole number of at least 1, got {shown(value)}")
        if value is not None and value > _MOST:
            raise ValueError(f"must be at most {_MOST:,}, got {shown(value)}")
        return value


@final
class RunConfig(Strict):
    """Where and how it runs; changes no result on a CPU.

    Args:
        device: "cpu", "cuda" or "cuda:1".
        batch_size: inputs searched together.
        threads: of torch and of an ONNX model, and of OpenMP and BLAS in the process of an isolated one; one where there
            are workers.
        workers: processes that search an audit's inputs: a number on this machine, "ray" or "ray:8" on the
            machines of a ray cluster; the process itself alone when left out.
        isolate: whether the model lives in a process of its own; when left out, from the command line.
        deadline: seconds that one call of the model may take; five minutes of an isolated one when left out.
        memory: GiB that an isolated model may take; nine tenths of the machine's when left out.
    """

    device: str = "cpu"
    batch_size: int | None = Field(default=None, ge=1, le=10**9)
    threads: int | None = Field(default=None, ge=1, le=1024)
    workers: int | str | None = None
    isolate: bool | None = None
    deadline: float | None = Field(default=None, gt=0.0, le=1e6)
    memory: float | None = Field(default=None, gt=0.0, le=1e6)

    @field_validator("workers", mode="before")
    @classmethod
    def _so_many(cls, value: object) -> object:
        text = value if isinstance(value, str) else shown(value)
        if value is None or isinstance(value, bool) or not re.fullmatch(r"ray|(ray:)?[1-9][0-9]{0,4}", text):
            if value is None:
                return None
            raise ValueError(
                f'expected a number of processes, "ray" or "ray:8" (processes on a ray cluster), got {shown(value)}'
            )
        return int(text) if text.isdigit() else text

    @model_validator(mode="before")
    @classmethod
    def _one_thread_a_worker(cls, value: Any) -> Any:  # Any: whatever stands in the file
        if isinstance(value, dict) and value.get("workers") is not None and value.get("threads") is None:
            return {**value, "threads": 1}
        return value


@final
class AuditConfig(Strict):
    """What an audit reports on; changes no search.

    Args:
        protected: attributes whose effects matter most: they stand first in every result.
        practical: the size in logits from which an effect matters.
        until_decided: whether the audit ends as soon as its conditions are decided.
        fail_if: these conditions, each as what must not be ("flip_rate:Male > 5%").
        gates: a file of further ones that must hold, a ``[[gate]]`` each.
        effect_rows: of a table, the most rows on which effects of protected columns are measured; 0 for none.
        shared_queries: the most queries that are spent on changes that many inputs share; 0 for none.
        contribution_queries: the most that are spent on what each changed variable contributes; 0 for none.
    """

    protected: tuple[str, ...] = ()
    practical: float = Field(default=0.25, gt=0.0)
    until_decided: bool = False
    fail_if: tuple[str, ...] = ()
    gates: Place | None = None
    effect_rows: int = Field(default=1000, ge=0, le=_MOST)
    shared_queries: int = Field(default=10_000, ge=0, le=_MOST)
    contribution_queries: int = Field(default=0, ge=0, le=_MOST)


@final
class AboutConfig(Strict):
    """What a reader of the audit must know and no program can find out; changes no result.

    Args:
        who: the person or body that made the audit.
        why: what it is for.
        data_source: where the inputs come from.
        data_date: of when they are.
        remarks: anything else.
        croissant: the data set's description in Croissant, a file; its name, licence and files stand in the audit.
    """

    who: str = ""
    why: str = ""
    data_source: str = ""
    data_date: str = ""
    remarks: str = ""
    croissant: str = ""

    @field_validator("data_date", mode="before")
    @classmethod
    def _date_as_text(cls, value: object) -> object:
        return value.isoformat() if isinstance(value, date) else value

    def given(self) -> dict[str, str]:
        """What was filled in."""
        return {name: text for name, text in self.model_dump().items() if text.strip()}
