"""Why answers of the peers are not dominated by ours: of runs that ``peers.py --keep FOLDER`` stored.

    python benchmarks/papers/peers_undominated.py --keep FOLDER [--data ../shared/data] [--rows 20] [--skip 20] [--seed 0]
        [--table adult] [--model logistic] [--methods ...] [--search] [--first 8]

Dominance is that of ``peers.py``: columns changed, Gower distance, ``true5``. Of each peer: how many answers, and the
share that one of our four dominates. Of those that none does:

- ``columns``, ``Gower``, ``true5``: one of ours would dominate it, were it not for this measure alone; ``more``: for none.
- ``outlier``: it is one itself.
- ``front``: a valid member of our front that was not among the four dominates it, and is no outlier: the choice lost it.
- ``local``, with ``--search``: of what is left, a search of steps that take a change back, shorten it, or take a value of
  a true row, from the peer's answer, from our front and from true rows, finds a valid row that dominates it and is no
  outlier: our search lost it.
- ``front out`` and ``local out``: of what is left, only outliers of the front, or found by steps, dominate it. ``none``: nothing does.
"""

import argparse
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import torch
from jaxtyping import Bool, Float
from peers import methods, place
from peers_measures import Ruler, better
from peers_methods import Run, rows_of
from peers_setting import TABLES, Case, Frame, prepared
from torch import Tensor

from cfsearch.datasets.tables import frame_of
from cfsearch.fronts.front import ParetoFront

_BEAM: Final = 20
_TURNS: Final = 5
_NEAR: Final = 4
_INLYING: Final = 1.5  # up to here scikit-learn's factor calls nothing an outlier
_HEADINGS: Final = (
    *("answers", "dominated", "columns", "Gower", "true5", "more", "outlier"),
    *("front", "local", "front out", "local out", "none"),
)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Local:
    """A beam search for a valid row that dominates a given answer.

    Args:
        case: model and schema.
        ruler: measures.
    """

    case: Case
    ruler: Ruler

    def found(self, i: int, f: Float[Tensor, " 3"], starts: Float[Tensor, "s v"]) -> tuple[bool, bool]:
        """Whether anything dominates ``f``, and whether some of that is no outlier."""
        case, variables = self.case, self.case.variables
        home = variables.values(rows_of(case, case.rows.iloc[i : i + 1]))[0]
        held = torch.tensor([v.immutable for v in variables.all])
        scale = torch.tensor([1.0, 0.05, 0.02], dtype=torch.float64)
        beam, hit = torch.where(held, home, starts), False
        seen: set[bytes] = set()
        for turn in range(_TURNS):
            # the first turn only looks at the starts
            beam = self._new(torch.cat([beam, self._steps(beam, home)]) if turn else beam, seen)
            values = beam[self._flips(beam)]
            if not len(values):
                break
            measured = self.ruler.placed(values, home[None])
            dominating = better(measured, f)
            hit |= bool(dominating.any())
            factor, outlier = self.ruler.isolated(values)
            if bool((dominating & (outlier == 0)).any()):
                return True, True
            excess = ((measured - f).clamp_min(0) / scale).sum(1) + 0.2 * (factor - _INLYING).clamp(0, 5)
            excess += 1e-3 * (measured / scale).sum(1)
            beam = values[excess.argsort(stable=True)[:_BEAM]]
        return hit, False

    def _steps(self, z: Tensor, home: Tensor) -> Tensor:
        near = self.ruler.nearest_true(z, count=_NEAR)  # (s, k, v)
        v = z.shape[1]
        one = torch.eye(v, dtype=torch.bool)
        held = torch.tensor([w.immutable for w in self.case.variables.all])
        back = torch.where(one, home, z[:, None]).reshape(-1, v)
        shorter = [
            torch.where(one, home + share * (z[:, None] - home), z[:, None]).reshape(-1, v)
            for share in (0.5, 0.75)
        ]
        whole = [self.case.variables.snapped(rows) for rows in shorter]
        taken = torch.where(one, near[:, :, None], z[:, None, None]).reshape(-1, v)
        steps = torch.cat([back, *whole, taken])
        return torch.where(held, home, steps)

    @staticmethod
    def _new(z: Tensor, seen: set[bytes]) -> Tensor:
        kept = []
        for k, row in enumerate((z + 0.0).numpy()):
            if (mark := row.tobytes()) not in seen:
                seen.add(mark)
                kept.append(k)
        return z[kept]

    def _flips(self, z: Float[Tensor, "n v"]) -> Bool[Tensor, " n"]:
        if not len(z):
            return torch.zeros(0, dtype=torch.bool)
        return torch.from_numpy(
            valid(self.case, frame_of(self.case.variables.rows(z), schema=self.case.schema))
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--skip", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", default="adult")
    parser.add_argument("--model", default="logistic")
    parser.add_argument("--methods", default=",".join(list(methods(0))[2:]))
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--first", type=int, help="only so many of the rows")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        case = prepared(
            TABLES[arguments.table](arguments.data),
            arguments.model,
            rows=arguments.rows,
            skip=arguments.skip,
            folder=Path(scratch) / "case",
        )
        ruler = Ruler(case)
        runs = {
            name: _kept(arguments.keep / place(case, name, arguments.seed, arguments.skip))
            for name in ("cfsearch", *arguments.methods.split(","))
        }
    ours = ruler.rows(runs["cfsearch"])
    fronts = [ParetoFront.from_bytes(blob) for blob in runs["cfsearch"].fronts]
    members = [rows[front.valid].double() for front in fronts if (rows := front.rows) is not None]
    whole = [ruler.measured(i, frame_of(rows, schema=case.schema)) for i, rows in enumerate(members)]
    print(f"{'':<14}" + "".join(f"{heading:>10}" for heading in _HEADINGS))
    local = Local(case, ruler) if arguments.search else None
    for name in arguments.methods.split(","):
        count = dict.fromkeys(_HEADINGS, 0)
        for i, frame in enumerate(runs[name].answers[: arguments.first]):
            theirs = ruler.measured(i, frame)
            for k, f in enumerate(theirs.f):
                count["answers"] += 1
                if bool(better(ours[i].f, f).any()):
                    count["dominated"] += 1
                    continue
                _but_for(ours[i].f, f, count)
                count["outlier"] += int(theirs.outlier[k] > 0)
                hits = better(whole[i].f, f)
                inside = hits & (whole[i].outlier == 0)
                if bool(inside.any()):
                    count["front"] += 1
                    continue
                if local is None:
                    count["front out" if bool(hits.any()) else "none"] += 1
                    continue
                values = case.variables.values(rows_of(case, frame[valid(case, frame)].iloc[k : k + 1]))
                starts = torch.cat(
                    [values, case.variables.values(members[i]), ruler.nearest_true(values, count=50)[0]]
                )
                hit, inlier = local.found(i, f, starts)
                out = "front out" if bool(hits.any()) else "local out" if hit else "none"
                count["local" if inlier else out] += 1
        n = max(count["answers"], 1)
        print(
            f"{name:<14}{count['answers']:>10}" + "".join(f"{count[h] / n:>10.0%}" for h in _HEADINGS[1:]),
            flush=True,
        )


def valid(case: Case, frame: Frame) -> Any:  # an array
    """Which rows of a frame the model gives the target."""
    return case.pipeline.predict(frame[case.columns]) == case.data.target


def _but_for(ours: Float[Tensor, "n 3"], f: Float[Tensor, " 3"], count: dict[str, int]) -> None:
    """Counts the measures but for which alone one of ours would dominate."""
    names = [name for j, name in enumerate(("columns", "Gower", "true5")) if _without(ours, f, j)]
    for name in names or ["more"]:
        count[name] += 1


def _without(ours: Tensor, f: Tensor, j: int) -> bool:
    rest = [k for k in range(3) if k != j]
    return bool((ours[:, rest] <= f[rest] + 1e-12).all(1).any())


def _kept(path: Path) -> Run:
    run: Run = pickle.loads(path.read_bytes())  # what peers.py wrote
    return run


if __name__ == "__main__":
    main()
