"""How often an audit that ends when its conditions are decided is wrong, and how many inputs it saves.

Inputs are simulated, nothing is searched: each is an observation as an audit makes it (a verdict flipped alone, a
counterfactual found, a group, an effect on probability), drawn with a known share. They go through the very objects of
`audit --until-decided` (``Stopping``), in batches of four. A stop is false where the audit says "pass" although the true
figure breaks the condition, or "fail" although it holds. Beside it stands whoever looks at Wilson's 95 % interval after each
batch and stops as soon as it decides. The last four lines are of mean effects through a generator with an error of its own on the
model, drawn once an audit with the standard deviation that an audit reckons with: with room for it, and without.

    uv run python benchmarks/governance/until_decided.py --audits 1000
"""

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cfsearch.audits.conditions import fail_if
from cfsearch.audits.correction import GeneratorError, edited_effect
from cfsearch.audits.measured import Membership
from cfsearch.audits.streams import Observation, Watch
from cfsearch.audits.watching import watches
from cfsearch.datasets.tables import RowGroups
from cfsearch.numerics.intervals import wilson

ATTRIBUTE = "Male"
BATCH = 4
Made = tuple[str, Observation]
Draw = Callable[[np.random.Generator, int], list[Made]]


@dataclass(frozen=True)
class Case:
    """A condition, and inputs of which one knows whether it holds."""

    title: str
    line: str
    holds: bool
    draw: Draw
    wilson_of: Callable[[Observation], float | None] | None
    bound: float
    corrects: bool = False


def flips(share: float) -> Draw:
    def draw(rng: np.random.Generator, n: int) -> list[Made]:
        hits = rng.random(n) < share
        return [
            (f"{i}", Observation(failed=False, flips={ATTRIBUTE: bool(hit)})) for i, hit in enumerate(hits)
        ]

    return draw


def groups(first: float, second: float) -> Draw:
    def draw(rng: np.random.Generator, n: int) -> list[Made]:
        hits = rng.random(n) < np.where(np.arange(n) % 2 == 0, first, second)
        made = [(f"{i}", Observation(failed=False, found=bool(hit))) for i, hit in enumerate(hits)]
        return [made[i] for i in rng.permutation(n)]

    return draw


def effects(mean: float) -> Draw:
    """Effects on probability between -1 and 1 with a known mean: a Beta distribution moved."""

    def draw(rng: np.random.Generator, n: int) -> list[Made]:
        share = (1 + mean) / 2
        values = 2 * rng.beta(8 * share, 8 * (1 - share), n) - 1
        return [
            (f"{i}", Observation(failed=False, probability={ATTRIBUTE: float(v)}))
            for i, v in enumerate(values)
        ]

    return draw


def through(mean: float) -> Draw:
    """Effects in logits, a fifth of them in probability, through a generator that adds one number to all of an audit."""
    unexplained, steepness = 0.4, 0.2
    error = GeneratorError({}, sd=0.5, unexplained=unexplained, photographs=64)

    def draw(rng: np.random.Generator, n: int) -> list[Made]:
        logits = mean / steepness + 0.5 * unexplained * rng.normal() + 0.3 * rng.normal(size=n)
        made = []
        for i, logit in enumerate(torch.tensor(logits)[:, None]):
            edit = edited_effect(
                logit,
                steepness * logit,
                intended={ATTRIBUTE: torch.ones(1)},
                own=ATTRIBUTE,
                error=error,
            )
            value = min(1.0, max(-1.0, float(edit.probability[0])))
            seen = Observation(failed=False, probability={ATTRIBUTE: value}, edits={ATTRIBUTE: edit})
            made.append((f"{i}", seen))
        return made

    return draw


def bare(draw: Draw) -> Draw:
    """The same as who knows nothing of the generator's error takes it."""

    def drawn(rng: np.random.Generator, n: int) -> list[Made]:
        return [(name, dataclasses.replace(seen, edits={})) for name, seen in draw(rng, n)]

    return drawn


def cases() -> list[Case]:
    line, gap, mean = f"flip_rate:{ATTRIBUTE} > 5%", "found_gap@sex > 10%", f"probability:{ATTRIBUTE} > 0.1"

    def flip(seen: Observation) -> float | None:
        return float(seen.flips[ATTRIBUTE])

    found = [
        Case(f"share {share:.1%}, bound 5 %", line, share <= 0.05, flips(share), flip, 0.05)
        for share in (0.01, 0.05, 0.0501, 0.1, 0.2)
    ]
    found += [
        Case(f"shares {a:.0%} and {b:.0%}, gap bound 10 %", gap, abs(a - b) <= 0.1, groups(a, b), None, 0.1)
        for a, b in ((0.9, 0.9), (0.7, 0.6), (0.8, 0.5))
    ]
    found += [
        Case(f"mean effect {m:g}, bound 0.1", mean, m <= 0.1, effects(m), None, 0.1)
        for m in (0.0, 0.1, 0.101, 0.3)
    ]
    for m in (0.1, 0.3):
        title = f"mean effect {m:g}, bound 0.1, generator's error"
        found.append(Case(f"{title} allowed for", mean, m <= 0.1, through(m), None, 0.1, corrects=True))
        found.append(Case(f"{title} not known", mean, m <= 0.1, bare(through(m)), None, 0.1))
    return found


def figures(line: str, n: int) -> list[Watch]:
    by = RowGroups("sex", ("f", "m"), tuple(i % 2 for i in range(n)), "")
    members = Membership(None, (), (by,), tuple(f"{i}" for i in range(n)))
    return watches([fail_if(line)], attributes=[ATTRIBUTE], protected=(), members=members)


def run(case: Case, *, inputs: int, audits: int, seed: int) -> str:
    false = stopped = peeked = 0
    used = []
    for k in range(audits):
        rng = np.random.default_rng([seed, k])
        made = case.draw(rng, inputs)
        [watch] = figures(case.line, inputs)
        if case.corrects:
            watch.correct()
        n = inputs
        for begin in range(0, inputs, BATCH):
            for i, (name, seen) in enumerate(made[begin : begin + BATCH], start=begin + 1):
                watch.add(name, seen, inputs=i)
            if watch.result != "cannot tell":
                n = min(begin + BATCH, inputs)
                break
        result = watch.result
        used.append(n)
        stopped += result != "cannot tell"
        false += result == ("fail" if case.holds else "pass")
        peeked += _peek(case, made)
    share = wilson(false, audits)
    assert share is not None
    naive = "" if case.wilson_of is None else f"{100 * peeked / audits:.1f} %"
    return (
        f"| {case.title} | {'holds' if case.holds else 'is broken'} | {audits} | {100 * share.value:.1f} % "
        f"[{100 * share.low:.1f}, {100 * share.high:.1f}] | {100 * stopped / audits:.0f} % | "
        f"{np.median(used):.0f} | {100 * (1 - np.mean(used) / inputs):.0f} % | {naive} |"
    )


def _peek(case: Case, made: Sequence[Made]) -> bool:
    """Whether someone who looks at Wilson's interval after each batch stops falsely."""
    if case.wilson_of is None:
        return False
    values = np.array([case.wilson_of(seen) for _, seen in made]).cumsum()
    for n in range(BATCH, len(values) + 1, BATCH):
        ends = wilson(int(values[n - 1]), n)
        if ends is not None and (ends.high <= case.bound or ends.low > case.bound):
            return (ends.low > case.bound) if case.holds else (ends.high <= case.bound)
    return False


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audits", type=int, default=1000)
    parser.add_argument("--inputs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=20261129)
    parser.add_argument("--only", default="", help="cases whose title holds this")
    given = parser.parse_args(arguments)
    print(
        "| simulated | condition | audits | false stops, 95 % interval | decided | inputs, median | saved of "
        f"{given.inputs} | false stops of Wilson, looked at each time |"
    )
    print("| --- | --- | ---: | --- | ---: | ---: | ---: | ---: |", flush=True)
    for case in (case for case in cases() if given.only in case.title):
        print(run(case, inputs=given.inputs, audits=given.audits, seed=given.seed), flush=True)


if __name__ == "__main__":
    main()
