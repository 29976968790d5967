"""How right an audit's effects are, on the planted bank: against re-rendered faces, with and without each correction.

    python benchmarks/audit/effects.py --folder scratch/bank [--models NAMES] [--generators NAMES] [--people 256] [--images 64]

Each classifier of ``bank.py`` is audited through each generator, by several audits of 64 faces each that share no face. The truth is the
mean paired difference of the log-odds on faces rendered twice, with the attribute and without it, over all faces of the pool. Compared
are, one row each, effects as the generator gives them and after each correction of ``cfsearch.audits.correction``; every figure is over
the twelve attributes that are not the classifier's own target:

- Spearman correlation with the truth, mean and least over audits of biased classifiers; sign agreement and slope (through 0) there;
- whether the planted attribute comes first, and whether it is found (power), where its true effect is 1 logit or more;
- coverage of the 95 % intervals, over all classifiers and over the fair ones alone;
- family-wise false alarms: audits of fair classifiers in which any attribute is found to matter that re-renders show not to
  (their own 95 % interval within 0.25 logits), with the 95 % Clopper-Pearson interval.

Answers of classifiers are kept beside the bank (``effects/``) and not computed again.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch
from bank import GENERATORS, Model, bank
from effects_entangled import disentangled
from effects_pool import PEOPLE, PHOTOGRAPHS, Answers, Pool
from jaxtyping import Float
from scipy.stats import binomtest, spearmanr
from torch import Tensor

from cfsearch.audits.correction import GeneratorError
from cfsearch.audits.effects import PARTS, Effects, effect_rows
from cfsearch.audits.genuineness import Calibration
from cfsearch.audits.verdict import LEANS, PRACTICAL, UNSURE
from cfsearch.datasets import faces
from cfsearch.numerics.intervals import Interval, paired_mean

Row = dict[str, Any]  # Any: an effect as it stands in audit.json
IMAGES: Final = 64
_CLEAR: Final = 0.5
_LARGE: Final = 1.0


@final
@dataclass(frozen=True, eq=False)
class Audit:
    """One audit: some faces, what a generator makes of them, and what is known of generator and classifier.

    Args:
        effects: of these faces.
        own: the generator's error as measured on them.
        photographs: the same as measured on other, labelled faces.
        measurement: of the generator.
        labels: of the faces.
    """

    effects: Effects
    own: GeneratorError
    photographs: GeneratorError
    measurement: Mapping[str, Any]
    labels: Float[Tensor, "n a"]

    @property
    def success(self) -> dict[str, float]:
        """Share of edits that were seen, by attribute."""
        figures = self.measurement["attributes"]
        return {k: v["success"]["value"] for k, v in figures.items() if v["success"] is not None}

    @property
    def strength(self) -> dict[str, float]:
        """Strength of edits, by attribute."""
        figures = self.measurement["attributes"]
        return {k: v["strength"] for k, v in figures.items() if v["strength"] is not None}


def raw(audit: Audit) -> list[Row]:
    """As the generator gives them, with intervals that hold the scatter over faces only."""
    return effect_rows("m", audit.effects, edit_success=audit.success, before_errors=True)


def by_offset(audit: Audit) -> list[Row]:
    """Less what the error of reconstructions says, which is measured on the audit's own faces."""
    return effect_rows("m", audit.effects, edit_success=audit.success, error=audit.own)


def by_strength(audit: Audit) -> list[Row]:
    """The same over the strength of the edits."""
    return effect_rows(
        "m", audit.effects, edit_success=audit.success, edit_strength=audit.strength, error=audit.own
    )


def by_entanglement(audit: Audit) -> list[Row]:
    """Less the offset, then solved through the matrix of what the generator changes besides."""
    solved = disentangled(audit.effects, audit.own, audit.measurement)
    error = GeneratorError({}, sd=audit.own.sd, unexplained=audit.own.unexplained, photographs=IMAGES)
    return effect_rows("m", solved, edit_success=audit.success, error=error)


def by_photographs(audit: Audit) -> list[Row]:
    """The offset measured on labelled photographs, strength, and combined with their associations."""
    return effect_rows(
        "m", audit.effects, edit_success=audit.success, edit_strength=audit.strength, error=audit.photographs
    )


def photographs_alone(audit: Audit) -> list[Row]:
    """What unedited photographs say, for comparison; an audit never reports it alone."""
    rows = by_photographs(audit)
    return [{**row, "estimate": row["correction"]["photographs"], "reading": UNSURE} for row in rows]


ESTIMATORS: Final[dict[str, Callable[[Audit], list[Row]]]] = {
    "through the generator": raw,
    "less the offset": by_offset,
    "less the offset, over strength": by_strength,
    "less the offset, disentangled": by_entanglement,
    "over strength, with photographs": by_photographs,
    "photographs alone": photographs_alone,
}


def error_of(values: Tensor, before: Tensor, after: Tensor) -> GeneratorError:
    """What an audit would have measured of a generator on these photographs, all labelled."""
    both = [torch.stack([-odds, odds], 1) for odds in (before, after)]
    fitted = Calibration.of_odds(values, before=both[0], after=both[1], labelled=len(values))
    found = GeneratorError.of_calibration(
        fitted.to_json(labels=("off", "on"), names=faces.ATTRIBUTES), label="on"
    )
    assert found is not None
    return found


def audits(pool: Pool, answers: Answers, measurement: Mapping[str, Any], *, images: int) -> Iterator[Audit]:
    """Audits of so many faces each, which share none."""
    labels = torch.from_numpy(pool.people.attributes)
    known = torch.from_numpy(pool.photographs.attributes)
    error = error_of(known, answers.photographs, answers.photographs_rebuilt)
    for at in range(0, len(labels) - images + 1, images):
        part = slice(at, at + images)
        parts = (getattr(answers.effects, name)[part] for name in PARTS)
        yield Audit(
            effects=Effects(answers.effects.names, *parts),
            own=error_of(labels[part], answers.people[part], answers.rebuilt[part]),
            photographs=error,
            measurement=measurement,
            labels=labels[part],
        )


@final
@dataclass(frozen=True, eq=False)
class Outcome:
    """The effects that one audit reports, beside the true ones; of attributes that are not the target."""

    model: Model
    names: tuple[str, ...]
    truth: Float[np.ndarray, " a"]
    negligible: np.ndarray[Any, np.dtype[np.bool_]]
    estimate: Float[np.ndarray, " a"]
    low: Float[np.ndarray, " a"]
    high: Float[np.ndarray, " a"]
    readings: tuple[str, ...]

    @classmethod
    def of(cls, model: Model, rows: Sequence[Row], truth: Sequence[Interval]) -> "Outcome":
        """Of the rows of an audit.

        Args:
            model: that was audited.
            rows: of the audit.
            truth: true effects with their own intervals, in the order of ``faces.ATTRIBUTES``.
        """
        by_name = {row["variable"]: row for row in rows}
        names = tuple(name for name in faces.ATTRIBUTES if name != model.target)
        columns = [faces.ATTRIBUTES.index(name) for name in names]
        true = [truth[j] for j in columns]
        figures = [by_name[name]["estimate"] for name in names]
        value, low, high = (np.array([f[part] for f in figures]) for part in ("value", "low", "high"))
        return cls(
            model,
            names,
            np.array([e.value for e in true]),
            np.array([max(abs(e.low), abs(e.high)) < PRACTICAL for e in true]),
            value,
            low,
            high,
            tuple(by_name[name]["reading"] for name in names),
        )

    @property
    def strong(self) -> int | None:
        """Place of the planted attribute; None where there is none whose true effect is 1 logit or more."""
        places = [self.names.index(name) for name in self.model.planted if name in self.names]
        return next((j for j in places if abs(self.truth[j]) >= _LARGE), None)

    @property
    def covered(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Of which attributes the interval holds the truth."""
        return (self.low <= self.truth) & (self.truth <= self.high)


def line(name: str, found: Sequence[Outcome]) -> str:
    """A row of the table of one generator."""
    biased = [one for one in found if one.model.biased]
    fair = [one for one in found if not one.model.biased]
    ranks = [float(spearmanr(one.estimate, one.truth).statistic) for one in biased]
    x, y = (np.concatenate([getattr(one, part) for one in biased]) for part in ("truth", "estimate"))
    clear = np.abs(x) >= _CLEAR
    strong = [(one, one.strong) for one in biased if one.strong is not None]
    first = sum(int(np.abs(one.estimate).argmax()) == j for one, j in strong)
    seen = sum(
        one.readings[j or 0] == LEANS and one.estimate[j or 0] * one.truth[j or 0] > 0 for one, j in strong
    )
    alarms = sum(
        any(reading == LEANS and small for reading, small in zip(one.readings, one.negligible, strict=True))
        for one in fair
    )
    ends = binomtest(alarms, len(fair)).proportion_ci(method="exact") if fair else None
    unsure = np.mean([reading == UNSURE for one in found for reading in one.readings])
    error = [
        np.sqrt(np.mean(np.concatenate([(one.estimate - one.truth) ** 2 for one in part])))
        for part in (biased, fair)
    ]
    covered = [np.mean(np.concatenate([one.covered for one in part])) for part in (found, fair)]
    cells = [
        name,
        f"{np.mean(ranks):.2f} ({np.min(ranks):.2f})",
        f"{np.mean(np.sign(x[clear]) == np.sign(y[clear])):.1%}",
        f"{float((x * y).sum() / (x * x).sum()):.2f}",
        f"{error[0]:.2f} / {error[1]:.2f}",
        f"{first}/{len(strong)}",
        f"{seen}/{len(strong)}",
        f"{covered[0]:.1%} / {covered[1]:.1%}",
        f"{alarms}/{len(fair)}" + ("" if ends is None else f" [{ends.low:.0%}, {ends.high:.0%}]"),
        f"{unsure:.0%}",
    ]
    return f"| {' | '.join(cells)} |"


HEAD: Final = (
    "| estimate | Spearman (worst) | sign | slope | rmse biased / fair | planted first | power | coverage all / fair | "
    "false alarms | cannot tell |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def main() -> int:
    """Ask what is missing and print a table for each generator."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--folder", type=Path, default=Path("scratch/bank"))
    parser.add_argument("--models", help="names, separated by commas; all when left out")
    parser.add_argument("--generators", default=",".join(GENERATORS))
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--photographs", type=int, default=PHOTOGRAPHS)
    parser.add_argument("--images", type=int, default=IMAGES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = None if options.models is None else options.models.split(",")
    models = [model for model in bank() if names is None or model.name in names]
    pool = Pool(options.folder, people=options.people, photographs=options.photographs)
    fair = sum(not model.biased for model in models)
    print(
        f"{len(models)} classifiers ({fair} fair), {options.people // options.images} audits of {options.images} faces each, "
        f"{options.photographs} photographs"
    )
    for name in options.generators.split(","):
        measurement = pool.measurement(name)
        found: dict[str, list[Outcome]] = {estimator: [] for estimator in ESTIMATORS}
        errors = []
        for model in models:
            answers = pool.answers(model, name)
            truth = [one for j in range(answers.truth.shape[1]) if (one := paired_mean(answers.truth[:, j]))]
            for audit in audits(pool, answers, measurement, images=options.images):
                errors.append((audit.photographs.sd, audit.photographs.unexplained))
                for estimator, rows in ESTIMATORS.items():
                    found[estimator].append(Outcome.of(model, rows(audit), truth))
        sd, unexplained = np.mean(errors, axis=0)
        print(
            f"\n{name}: offset sd {sd:.2f}, unexplained {unexplained:.2f} logits (mean over classifiers)\n{HEAD}"
        )
        for estimator, outcomes in found.items():
            print(line(estimator, outcomes), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
