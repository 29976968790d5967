"""What is compared in ``peers.py``: the command line at its defaults, dice-ml, plain pymoo, nearest neighbours."""

import io
import random
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from peers_setting import Case, Frame
from torch import Tensor

from cfsearch.datasets.tables import frame_of
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics import pareto

COUNT: Final = 4
"""Counterfactuals requested of every method, a row."""


@final
@dataclass(frozen=True, slots=True)
class Run:
    """What a method gave for the first rows of a case.

    Args:
        answers: a data frame a row, of the model's columns; rows after a cap on time have none.
        cpu: CPU seconds of all these rows.
        once: CPU seconds spent once.
        queries: inputs that the model was queried about for these rows.
        fronts: of ours, each row's front as bytes.
    """

    answers: tuple[Frame, ...]
    cpu: float
    once: float
    queries: float
    fronts: tuple[bytes, ...] = ()


Method = Callable[[Case, int], Run]


@final
class Counting:
    """The pipeline with 0 and 1 for its classes, as dice-ml wants them, and a count of queries."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.classes_ = np.array([0, 1])
        self.queries = 0

    def predict_proba(self, frame: Frame) -> Any:  # an array
        self.queries += len(frame)
        p = self._case.pipeline.predict_proba(frame[self._case.columns])
        wanted = list(self._case.pipeline.classes_).index(self._case.data.target)
        return np.stack([1 - p[:, wanted], p[:, wanted]], axis=1)

    def predict(self, frame: Frame) -> Any:  # an array
        return self.predict_proba(frame).argmax(1)


@final
@dataclass(frozen=True, slots=True)
class Ours:
    """``cfsearch search`` as typed, with the training table; the four answers that it shows first.

    Args:
        more: further words of the line.
        reference: whether the training table is given.
    """

    more: tuple[str, ...] = ()
    reference: bool = True

    def __call__(self, case: Case, seed: int) -> Run:
        once, _ = self._searched(case, seed, range(1))
        total, fronts = self._searched(case, seed, range(len(case.rows)))
        # what the first row takes is in both
        each = max(total - once, 0.0) / max(len(case.rows) - 1, 1)
        queries = sum(front.queries or 0 for front in fronts.values())
        answers = tuple(self._answers(case, fronts.get(i)) for i in range(len(case.rows)))
        blobs = tuple(fronts[i].to_bytes() if i in fronts else b"" for i in range(len(case.rows)))
        return Run(answers, each * len(case.rows), once - each, queries, blobs)

    def _searched(self, case: Case, seed: int, rows: Sequence[int]) -> tuple[float, dict[int, ParetoFront]]:
        from skops.io import get_untrusted_types

        from cfsearch.cli import main

        out = case.folder / f"fronts-{len(rows)}-{seed}-{len(self.more)}-{self.reference}"
        out.mkdir()
        trust = [w for t in get_untrusted_types(file=case.folder / "model.skops") for w in ("--trust", t)]
        words = [
            *("search", str(case.folder / "model.skops"), "--data", str(case.folder / "rows.csv")),
            *(w for i in rows for w in ("--row", str(i))),
            *("--target", case.data.target),
            *("--immutable", ",".join(case.data.immutable), "--seed", str(seed)),
            *(
                ("--reference", str(case.folder / "train.csv"), "--label", case.data.label)
                if self.reference
                else ("--schema", str(case.folder / "guessed.toml"))
            ),
            *("--save", str(out if len(rows) > 1 else out / "row 0.front"), "--threads", "1", "--quiet"),
            "--no-isolation",  # so that the model's time counts, as it does for the peers
            *trust,
            *self.more,
        ]
        at = time.process_time()
        with quiet() as printed:
            try:
                main(words)
            except SystemExit as stop:
                if stop.code:
                    raise SystemExit(
                        f"cfsearch {' '.join(words)}\nended with {stop.code}: {printed.getvalue()}"
                    ) from stop
        took = time.process_time() - at
        return took, {int(p.stem.split()[-1]): ParetoFront.load(p) for p in out.glob("*.front")}

    @staticmethod
    def _answers(case: Case, front: ParetoFront | None) -> Frame:
        chosen = [] if front is None else front.answers(COUNT)
        if front is None or front.rows is None or not chosen:
            return case.rows.iloc[:0]
        return frame_of(front.rows[chosen].double(), schema=case.schema)


@final
@dataclass(frozen=True, slots=True)
class Dice:
    """dice-ml at its defaults, one row at a time as its interface is made.

    Args:
        method: "random", "genetic" or "kdtree".
        cap: CPU seconds after which no further row begins.
    """

    method: str
    cap: float

    def __call__(self, case: Case, seed: int) -> Run:
        dice_ml = import_module("dice_ml")
        nothing = import_module("raiutils.exceptions").UserConfigValidationException
        model = Counting(case)
        with quiet(), seeded(seed):
            at = time.process_time()
            frame = pd.read_csv(case.folder / "train.csv", keep_default_na=False)
            frame[case.data.label] = (frame[case.data.label] == case.data.target).astype(int)
            numbers = [c for c in case.columns if pd.api.types.is_numeric_dtype(frame[c])]
            data = dice_ml.Data(dataframe=frame, continuous_features=numbers, outcome_name=case.data.label)
            explainer = dice_ml.Dice(data, dice_ml.Model(model=model, backend="sklearn"), method=self.method)
            once = time.process_time() - at
            free = [name for name in case.columns if name not in case.data.immutable]
            answers: list[Frame] = []
            model.queries, at = 0, time.process_time()
            own = {"random_seed": seed} if self.method == "random" else {}
            for i in range(len(case.rows)):
                if time.process_time() - at > self.cap:
                    break
                try:
                    made = explainer.generate_counterfactuals(
                        case.rows.iloc[i : i + 1], total_CFs=COUNT, desired_class=1, features_to_vary=free,
                        verbose=False, **own,
                    ).cf_examples_list[0]  # fmt: skip
                    found = (
                        made.final_cfs_df if made.final_cfs_df_sparse is None else made.final_cfs_df_sparse
                    )
                    answers.append(case.rows.iloc[:0] if found is None else found[case.columns])
                except nothing:  # how it says that it found none
                    answers.append(case.rows.iloc[:0])
            return Run(tuple(answers), time.process_time() - at, once, model.queries)


@final
@dataclass(frozen=True, slots=True)
class Moc:
    """Plain pymoo NSGA-II with the four objectives of Dandl et al. 2020, within the same bounds.

    Of its front four valid members by farthest-first traversal, like ours.

    Args:
        cap: CPU seconds after which no further row begins.
        evaluations: candidates a row.
        population: of them in a generation.
    """

    cap: float
    evaluations: int = 900
    population: int = 50

    def __call__(self, case: Case, seed: int) -> Run:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.core.problem import Problem
        from pymoo.optimize import minimize

        from cfsearch.fronts.picks import diverse

        model, variables = Counting(case), case.variables
        assert case.known.target is not None
        truth = variables.values(
            case.known.x[case.known.target == case.schema.labels.index(case.data.target)]
        )
        low, high = (np.array([getattr(v, end) for v in variables.all]) for end in ("low", "high"))
        whole = np.array([v.step == 1.0 or v.kind.value != "real" for v in variables.all])
        home = variables.values(rows_of(case, case.rows)).numpy()
        held = np.array([v.immutable for v in variables.all])
        answers: list[Frame] = []
        at = time.process_time()
        for i in range(len(case.rows)):
            if time.process_time() - at > self.cap:
                break
            own = home[i]

            def decoded(x: Any, own: Any = own) -> Tensor:  # arrays
                values = np.where(held, own, np.where(whole, x.round(), x))
                return torch.from_numpy(values)

            def judged(values: Tensor, own: Any = own) -> Any:  # arrays
                p = model.predict_proba(frame_of(variables.rows(values), schema=case.schema))[:, 1]
                apart = variables.gower_values(values, torch.from_numpy(own)[None])[:, 0]
                near = variables.gower_values(values, truth).amin(1)
                changed = (values != torch.from_numpy(own)).sum(1).double()
                return np.stack([np.maximum(0.5 - p, 0), apart, changed, near], axis=1)

            class Search(Problem):  # type: ignore[misc]  # pymoo has no types
                def __init__(self) -> None:
                    super().__init__(
                        n_var=len(low),
                        n_obj=4,
                        xl=np.minimum(low, own),  # noqa: B023
                        xu=np.maximum(high, own),  # noqa: B023
                    )

                def _evaluate(self, x: Any, out: Any, *_: Any, **__: Any) -> None:
                    out["F"] = judged(decoded(x))

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = minimize(
                    Search(),
                    NSGA2(pop_size=self.population),
                    ("n_gen", self.evaluations // self.population),
                    seed=seed + 1000 * i,
                )
            values, f = decoded(np.atleast_2d(found.pop.get("X"))), np.atleast_2d(found.pop.get("F"))
            keep = torch.from_numpy(f[:, 0] <= 0) & pareto.non_dominated(torch.from_numpy(f))
            values, f = values[keep], f[keep.numpy()]
            if not len(values):
                answers.append(case.rows.iloc[:0])
                continue
            gaps = variables.gower_values(values, values)
            chosen = diverse(
                gaps,
                costs=torch.from_numpy(f[:, 1] + 2 * f[:, 3]),
                first=int(np.lexsort((f[:, 1], f[:, 2]))[0]),
                count=COUNT,
            )
            answers.append(frame_of(variables.rows(values[chosen]), schema=case.schema))
        return Run(tuple(answers), time.process_time() - at, 0.0, model.queries)


def nearest_unlike(case: Case, _: int) -> Run:
    """The four nearest training rows that the model gives the target, with the same immutable columns."""
    model, variables = Counting(case), case.variables
    at = time.process_time()
    train = case.known.frame()
    good = model.predict(train) == 1
    once, at = time.process_time() - at, time.process_time()
    train, values = train[good].reset_index(drop=True), variables.values(case.known.x[torch.from_numpy(good)])
    distance = variables.gower_values(variables.values(rows_of(case, case.rows)), values)
    answers = []
    for i in range(len(case.rows)):
        same = np.ones(len(train), dtype=bool)
        for name in case.data.immutable:
            same &= (train[name] == case.rows[name].iloc[i]).to_numpy()
        order = (
            distance[i].masked_fill(~torch.from_numpy(same), torch.inf).argsort(stable=True)[:COUNT].tolist()
        )
        answers.append(train.iloc[[j for j in order if same[j]]])
    return Run(tuple(answers), time.process_time() - at, once, 0)


def rows_of(case: Case, frame: Frame) -> Float[Tensor, "n c"]:
    """Rows of a data frame as numbers of the schema."""
    codes = [[c.code(v) for v in frame[c.name].tolist()] for c in case.schema.columns]
    return torch.tensor(codes, dtype=torch.float64).T.reshape(-1, case.schema.d)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it the global random numbers that dice-ml draws from are those of a seed."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002  # the peer draws from there
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # see above
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002  # see above


@contextmanager
def quiet() -> Iterator[io.StringIO]:
    """Within it nothing is printed, and no warnings of the peer's dependencies are."""
    printed = io.StringIO()
    with warnings.catch_warnings(), redirect_stderr(printed), redirect_stdout(printed):
        warnings.simplefilter("ignore")
        yield printed


def guessed_schema(case: Case) -> Path:
    """The schema as a file, for searches without the training table."""
    from cfsearch.datasets.tables import write_schema

    path = case.folder / "guessed.toml"
    write_schema(case.schema, path)
    return path
