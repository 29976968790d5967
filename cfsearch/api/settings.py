"""Keyword arguments that ``cfsearch.search`` and ``cfsearch.audit`` share, and the settings that they make."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

from cfsearch.assembly.plugins import ConstraintLike, ObjectiveLike, SolverLike
from cfsearch.contracts.generator import Generator
from cfsearch.errors import ConfigError
from cfsearch.providers.preprocessing import Layout, Preprocessing, Range
from cfsearch.registry import unknown


class Settings(TypedDict, total=False):
    """Further settings, all optional; the names are those of the command line and of TOML.

    - ``objectives``, ``constraints``: names (``"intensity:norm=l1"``, ``"package.module:Class"``), classes,
      objects, or functions of candidates.
    - ``solver``: a name, a class or an object; NSGA-II when left out.
    - ``evaluations``, ``population``, ``capacity``, ``pruning``, ``patience``, ``gradients``, ``seed``, ``reference_point``, ``max_queries``, ``max_time``: as for
      ``cfsearch.Search``.
    - ``immutable``: variables or columns that must not change.
    - ``reference``: pictures, or the training table: they stand for the classes and for what is plausible.
    - ``critic``: how plausible a row is, "density", "forest" or "trained".
    - ``seed_with``: explainers whose counterfactuals stand in the first population, and ``"nearest"``, the nearest
      rows of the target class (the default with a reference table; ``[]`` for none); of rows only.
    - ``answers``: how many members, different from each other, are shown first; ``robustness``: how many small changes
      are tried of each.
    - ``schema``: what the columns of a table mean, a TOML file or a ``TableSchema``; guessed when left out.
    - ``label``: the column with the true class; ``rows``, ``where``: which rows; ``limit``: at most so many.
    - ``recursive``: whether sub-folders of pictures are looked into.
    - ``preprocessing``, or ``size``, ``channels``, ``layout``, ``range``, ``mean``, ``std``: what the model
      takes of a picture in [0, 1].
    - ``arch``, ``sidecar``, ``trust``, ``trust_model``, ``surrogate``, ``votes``, ``sigma``: of a model in a file.
    - ``device``, ``threads``, ``batch_size``: how it runs; ``workers``: processes that search the inputs of an audit
      side by side, a number, ``"ray"`` or ``"ray:8"``; model and generator must be named by file then.
    - ``isolate``: whether the model lives in a process of its own, which it may crash alone; ``deadline``:
      seconds that one call of it may take; ``memory``: GiB that its process may take. An object of the program is
      pickled for it.
    - ``model_name``: what the model is called in results.

    Example:
        >>> some: Settings = {"evaluations": 200, "seed": 1}
        >>> sorted(some)
        ['evaluations', 'seed']
    """

    objectives: Sequence[ObjectiveLike]
    constraints: Sequence[ConstraintLike]
    solver: SolverLike
    evaluations: int
    population: int
    capacity: int
    pruning: float
    patience: int
    gradients: bool
    answers: int
    robustness: int
    seed: int
    reference_point: Sequence[float]
    immutable: Sequence[str]
    reference: object
    critic: Literal["density", "forest", "trained"]
    seed_with: Sequence[str]
    schema: object
    label: str
    rows: Sequence[int]
    where: Sequence[str]
    decided: str
    limit: int
    recursive: bool
    preprocessing: Preprocessing
    size: int | tuple[int, int]
    channels: Literal[1, 3]
    layout: Layout
    range: Range
    mean: float | Sequence[float]
    std: float | Sequence[float]
    arch: str
    sidecar: str | Path
    trust: Sequence[str]
    trust_model: str
    surrogate: str | Path
    votes: int
    sigma: float
    device: str
    threads: int
    workers: int | str
    batch_size: int
    isolate: bool
    deadline: float
    memory: float
    max_queries: int
    max_time: float
    model_name: str


GeneratorLike = str | Path | Mapping[str, Any] | Generator[Any] | type[Generator[Any]]
"""A generator: a file, a shipped checkpoint, a plug-in by name, or an object."""

PICTURE_SETTINGS: Final = ("size", "channels", "layout", "range", "mean", "std")

_PLACES: Final[dict[str, tuple[str, ...]]] = {
    "model": ("arch", "trust", "trust_model", "surrogate", "votes", "sigma"),
    "data": ("label", "rows", "where", "decided", "limit", "recursive"),
    "search": (
        "evaluations",
        "population",
        "capacity",
        "pruning",
        "patience",
        "gradients",
        "answers",
        "robustness",
        "seed",
        "reference_point",
        "immutable",
        "critic",
        "seed_with",
        "max_queries",
        "max_time",
    ),
    "run": ("device", "threads", "workers", "batch_size", "isolate", "deadline", "memory"),
}

_NAMES: Final = ("immutable", "seed_with")
"""Settings that are names, which a text may hold with commas between them."""
_SEVERAL: Final = ("rows", "where", "trust", "objectives", "constraints", "reference_point")
"""Settings that are sequences, of which one value may stand for one of it."""


def check_names(given: Mapping[str, object]) -> None:
    """Refuse a keyword that is no setting, with the nearest one.

    Args:
        given: the keyword arguments.

    Raises:
        ConfigError: one of them is unknown.
    """
    for name in given:
        if name not in Settings.__annotations__:
            raise ConfigError(f"search: {unknown('setting', name, list(Settings.__annotations__))}")


def coerced(given: Mapping[str, Any]) -> dict[str, Any]:  # Any: any setting
    """Settings with one value where a sequence is meant as that sequence, and rows chosen by a mask as their numbers.

    Names may be written as on the command line, "age,sex".

    Args:
        given: the keyword arguments; what is None is left out.

    Example:
        >>> coerced({"immutable": "age, sex", "rows": 3, "where": "job=cook", "objectives": "adversarial"})
        {'immutable': ['age', 'sex'], 'rows': [3], 'where': ['job=cook'], 'objectives': ['adversarial']}
        >>> coerced({"rows": [False, True, True], "evaluations": None})
        {'rows': [1, 2]}
    """
    return {name: _coerced(name, value) for name, value in given.items() if value is not None}


def _coerced(name: str, value: Any) -> Any:  # Any: any setting
    if name in _NAMES:
        return names_of(value)
    if name in _SEVERAL and (isinstance(value, str | int | float | type) or not hasattr(value, "__iter__")):
        return [value]
    if name == "rows" and hasattr(value, "tolist"):
        value = value.tolist()
        value = value if isinstance(value, list) else [value]
    if name == "rows" and isinstance(value, list) and value and all(isinstance(one, bool) for one in value):
        return [i for i, chosen in enumerate(value) if chosen]
    return value


def names_of(value: str | Sequence[str] | None) -> list[str]:
    """Names of columns or attributes, also as one text with commas between them.

    Args:
        value: as the user gave it.

    Example:
        >>> names_of("age, sex"), names_of(["age, in years"]), names_of(None)
        (['age', 'sex'], ['age, in years'], [])
    """
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value or ())


def placed(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings in the tables of ``Config`` where they belong.

    Args:
        given: the keyword arguments.
    """
    return {
        table: {name: plain(given[name]) for name in names if given.get(name) is not None}
        for table, names in _PLACES.items()
    }


def plain(value: Any) -> Any:  # Any: any setting
    """A setting as TOML holds it: paths as text, sequences as lists.

    Args:
        value: as the user gave it.
    """
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value
