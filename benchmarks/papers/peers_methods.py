"""The methods that ``peers.py`` compares: our searches, our explainers, and those of dice-ml."""

import io
import random
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import Float
from peers_gradient import rescaled
from peers_setting import IMMUTABLE, WANTED, Model, Setting
from torch import Tensor

from cfsearch.contracts.explainer import Explainer
from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.solver import Solver
from cfsearch.datasets.tables import Table
from cfsearch.engine.search import Search
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows.generator import Rows
from cfsearch.generators.rows.seeds import NearestRows
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.changed import Changed
from cfsearch.objectives.gower import Gower
from cfsearch.objectives.neighbours import Neighbours

COUNT: Final = 4
_KNOWN: Final = 1000
"""Training rows of the target class that the objective `neighbours` looks at."""

Sets = list[Float[Tensor, "k d"]]


@final
@dataclass(frozen=True, slots=True)
class Run:
    """What a method gave for some rows, and what it took.

    ``prepare`` is spent once a model (learning, indexing), ``cpu`` and ``wall`` on the rows; seconds.
    ``each`` is the time of each row, where rows are explained one by one.
    """

    sets: Sets
    prepare: float
    cpu: float
    wall: float
    each: tuple[float, ...] = ()


Method = Callable[[Setting, Model, Float[Tensor, "n d"], int], Run]


def given(model: Model) -> Provider:
    """The model queried with numbers that cfsearch encodes."""
    return model.provider


@final
@dataclass(frozen=True, slots=True)
class Ours:
    """A search of all rows together; of each front four: closest, sparsest, knee, most plausible."""

    solver: Callable[[int], Solver]
    evaluations: int
    population: int
    seeds: int = 30
    pruning: float = 0.25
    provider: Callable[[Model], Provider] = given

    def __call__(self, setting: Setting, model: Model, rows: Tensor, seed: int) -> Run:
        began = time.process_time()
        generator = Rows(setting.schema)
        search = Search(
            self.provider(model),
            generator,
            [Adversarial(), Gower(), Changed(), Neighbours(known(setting, seed), k=1)],
            self.solver,
            evaluations=self.evaluations,
            population=self.population,
            seed=seed,
            target=WANTED,
            capacity=self.population,
            pruning=self.pruning,
            seeds=NearestRows(generator, setting.train, count=self.seeds),
        )
        prepare = time.process_time() - began
        wall, cpu = time.perf_counter(), time.process_time()
        fronts = search.run(rows, names=[f"row {i}" for i in range(len(rows))])
        sets = [four(front) if isinstance(front, ParetoFront) else rows[:0] for front in fronts]
        return Run(sets, prepare, time.process_time() - cpu, time.perf_counter() - wall)


def known(setting: Setting, seed: int) -> Table:
    """Some training rows of the target class."""
    assert setting.train.target is not None
    of = np.flatnonzero(setting.train.target.numpy() == setting.schema.labels.index(WANTED))
    return setting.train.take(np.random.default_rng(seed).permutation(of)[:_KNOWN].tolist())


def four(front: ParetoFront) -> Float[Tensor, "k d"]:
    """Four verified members, all different: closest, sparsest, knee, nearest to true rows.

    Where two picks are one member, the next closest takes its place.
    """
    assert front.rows is not None
    if not front.found:
        return front.rows[:0]
    plausible = torch.where(front.verified, front.column("neighbours").double(), torch.inf).argmin()
    near = torch.where(front.verified, front.column("gower").double(), torch.inf)
    picks = [front.pick("closest"), front.pick("sparsest"), front.pick("knee"), int(plausible)]
    wanted = [i for i in picks if i is not None]
    wanted += torch.argsort(near, stable=True)[: int(front.verified.sum())].tolist()
    return front.rows[list(dict.fromkeys(wanted))[:COUNT]]


@final
@dataclass(frozen=True, slots=True)
class Explained:
    """One of our explainers: one counterfactual a row, all rows in one batch."""

    make: Callable[[], Explainer]
    subject: Callable[[Setting, Model, int], Subject]
    reference: int = 0

    def __call__(self, setting: Setting, model: Model, rows: Tensor, seed: int) -> Run:
        began = time.process_time()
        subject, explainer = self.subject(setting, model, seed), self.make()
        if self.reference:
            some = np.random.default_rng(seed).permutation(len(setting.train))[: self.reference]
            explainer = explainer.fit(subject, setting.train.x[torch.from_numpy(some)], seed=seed)
        prepare = time.process_time() - began
        wall, cpu = time.perf_counter(), time.process_time()
        made = explainer.explain(rows, subject=subject, target=WANTED, seed=seed)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        assert made.counterfactuals is not None
        return Run([one[None] for one in made.counterfactuals.double()], prepare, cpu, wall)


@final
@dataclass(frozen=True, slots=True)
class Dice:
    """dice-ml, one row at a time as its interface is made, with its own defaults."""

    method: str

    def __call__(self, setting: Setting, model: Model, rows: Tensor, seed: int) -> Run:
        dice_ml = import_module("dice_ml")
        with _quiet(), _seeded(seed):
            began = time.process_time()
            frame = setting.train.frame()
            assert setting.train.target is not None
            frame["income"] = setting.train.target.numpy()
            numbers = [c.name for c in setting.schema.columns if not c.has_levels]
            data = dice_ml.Data(dataframe=frame, continuous_features=numbers, outcome_name="income")
            if self.method == "gradient":
                wrapped: Any = dice_ml.Model(
                    model=rescaled(setting, model, data), backend="PYT", func="ohe-min-max"
                )
            else:
                wrapped = dice_ml.Model(model=_Numbered(model.pipeline), backend="sklearn")
            explainer = dice_ml.Dice(data, wrapped, method=self.method)
            prepare = time.process_time() - began
            free = [name for name in setting.schema.names if name not in IMMUTABLE]
            own = {"random_seed": seed} if self.method == "random" else {}
            queries = Table(setting.schema, rows, None, tuple(range(len(rows)))).frame()
            wall, cpu = time.perf_counter(), time.process_time()
            frames, each = [], []
            for i in range(len(rows)):
                at = time.process_time()
                frames.append(_answer(explainer, queries.iloc[i : i + 1], free=free, own=own))
                each.append(time.process_time() - at)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        return Run([_rows(setting, one) for one in frames], prepare, cpu, wall, tuple(each))


def _answer(explainer: Any, query: Any, *, free: Sequence[str], own: dict[str, Any]) -> Any:  # Any: dice-ml's
    nothing_found = import_module("raiutils.exceptions").UserConfigValidationException
    try:
        made = explainer.generate_counterfactuals(
            query, total_CFs=COUNT, desired_class=1, features_to_vary=list(free), verbose=False, **own
        ).cf_examples_list[0]
    except nothing_found:  # how it says that it found none
        return None
    return made.final_cfs_df if made.final_cfs_df_sparse is None else made.final_cfs_df_sparse


def _rows(setting: Setting, frame: Any) -> Float[Tensor, "k d"]:  # Any: a data frame, or None
    if frame is None:
        return setting.rows[:0]
    codes = [[c.code(v) for v in frame[c.name].tolist()] for c in setting.schema.columns]
    return torch.tensor(codes, dtype=torch.float64).T.reshape(-1, setting.schema.d)


@final
class _Numbered:
    """The pipeline with 0 and 1 for its classes, which dice-ml counts on."""

    def __init__(self, pipeline: Any) -> None:  # Any: scikit-learn has no types
        self.pipeline = pipeline
        self.classes_ = np.array([0, 1])

    def predict_proba(self, frame: Any) -> Any:  # Any: a data frame
        return self.pipeline.predict_proba(frame)

    def predict(self, frame: Any) -> Any:  # Any: a data frame
        return self.predict_proba(frame).argmax(1)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Within it the global random numbers that dice-ml draws from are those of a seed."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002  # the peer draws from there
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # see above
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002  # see above


@contextmanager
def _quiet() -> Iterator[None]:
    """Within it no progress bars and no warnings of the peer's dependencies."""
    with (
        warnings.catch_warnings(),
        redirect_stderr(io.StringIO()),
        redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
