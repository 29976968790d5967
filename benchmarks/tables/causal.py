"""Whether an audit tells direct effects of a protected column from proxies: known causal models of tables.

Four worlds of eight columns, each a structural causal model with a protected column `sex`:

    no effect    sex moves nothing
    direct       sex moves the class itself (1.6 logits)
    proxy        sex moves paid hours, and these the class; sex by itself does not
    weak direct  sex moves the class a little (.6 logits)

In each, models are trained on 4,000 rows (logistic regression, forest, gradient boosting in turn), with `sex` given and
without, and 1,000 other rows are audited by the public function `cfsearch.column_effects` at its defaults; no search.

**The truth is the model's**, by intervention on 5,000 rows of the known world: the mean change of its log-odds with sex
alone set to each value (direct), and with hours re-drawn as the other sex would have them (proxy). A finding is false
where the truth is below the practical size (.25 logits), and missed where the truth is above twice that. Beside it the
metrics of fairlearn on the same rows: demographic parity and equalised odds differences over .1, and whether Fisher's
exact test on the selection is below .05.

    uv pip install -r benchmarks/requirements.txt
    uv run --no-sync python benchmarks/tables/causal.py --models 20
"""

import argparse
import itertools
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import fisher_exact

PRACTICAL = 0.25
ROWS, AUDITED, KNOWN = 4_000, 1_000, 5_000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """A causal model: what sex does to the class directly, and to paid hours."""

    name: str
    direct: float = 0.0
    on_hours: float = 0.0


WORLDS = (
    World("no effect"),
    World("direct", direct=1.6),
    World("proxy", on_hours=7.0),
    World("weak direct", direct=0.6),
)


def draw(world: World, n: int, *, seed: int) -> tuple[pd.DataFrame, Callable[[Floats], pd.DataFrame]]:
    """Rows of a world, and the same rows with sex set (`do`), all that sex moves moved along but the class."""
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, n).astype(float)
    age = rng.integers(18, 66, n).astype(float)
    education = np.clip(rng.normal(2 + 0.02 * (age - 18), 1.0, n).round(), 0, 4)
    noise = rng.normal(0, 6, n)
    tenure = np.clip(rng.normal(0.25 * (age - 18), 3, n), 0, None).round(1)
    income_noise, debt = rng.normal(0, 6, n), rng.gamma(2.0, 3.0, n).round(1)
    region = rng.choice(["north", "south", "east", "west"], n)
    chance = rng.random(n)

    def rows(who: Floats) -> pd.DataFrame:
        hours = np.clip(33 + world.on_hours * (who - 0.5) + noise, 0, 70).round(1)
        income = (18 + 3.5 * education + 0.3 * age + income_noise).round(1)
        return pd.DataFrame(
            {
                "sex": np.where(who == 1, "male", "female"),
                "age": age.astype(int),
                "education": education.astype(int),
                "hours": hours,
                "tenure": tenure,
                "income": income,
                "debt": debt,
                "region": region,
            }
        )

    frame = rows(sex)
    odds = (
        0.07 * (frame["income"] - 38)
        + 0.13 * (frame["hours"] - 33)
        + 0.05 * (frame["tenure"] - 6)
        - 0.12 * (frame["debt"] - 6)
        + world.direct * (sex - 0.5)
    ).to_numpy()
    return frame.assign(approved=np.where(chance < 1 / (1 + np.exp(-odds)), "yes", "no")), rows


def train(kind: str, frame: pd.DataFrame, *, seed: int) -> Any:
    """A pipeline of scikit-learn."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    x = frame.drop(columns="approved")
    words = [c for c in x.columns if x[c].dtype == object or str(x[c].dtype) == "str"]
    columns = ColumnTransformer(
        [
            ("words", OneHotEncoder(handle_unknown="ignore"), words),
            ("numbers", StandardScaler(), [c for c in x if c not in words]),
        ]
    )
    model = {
        "logistic": lambda: LogisticRegression(max_iter=500),
        "forest": lambda: RandomForestClassifier(60, min_samples_leaf=5, random_state=seed, n_jobs=1),
        "boosting": lambda: GradientBoostingClassifier(n_estimators=60, random_state=seed),
    }[kind]()
    return make_pipeline(columns, model).fit(x, frame["approved"])


def odds_of(model: Any, frame: pd.DataFrame) -> Floats:
    """Log-odds of yes, within those of .005 and .995 for forests, as an audit counts them."""
    p = model.predict_proba(frame)[:, 1]
    if (p == 0).any() or (p == 1).any():
        p = p.clip(0.005, 0.995)
    return np.log(p / (1 - p))


@dataclass
class Result:
    """One model: its truth, what the audit found, and what else is measured."""

    world: str
    kind: str
    given: bool
    direct: float
    proxy: float
    reading: str
    through: str
    proxies: tuple[str, ...]
    estimate: float
    together: float
    parity: float
    odds: float
    fisher: float


def one(world: World, kind: str, given: bool, *, seed: int) -> Result:
    """Train a model, ask the known world for its truth, and audit it."""
    import cfsearch
    from cfsearch.audits.columns.words import named_proxies

    frame, _ = draw(world, ROWS, seed=seed)
    held, _ = draw(world, AUDITED, seed=10_000 + seed)
    known, do = draw(world, KNOWN, seed=20_000 + seed)
    left = [] if given else ["sex"]
    model = train(kind, frame.drop(columns=left), seed=seed)
    men, women = do(np.ones(KNOWN)), do(np.zeros(KNOWN))
    bare = known.drop(columns="approved")
    direct = 0.0
    if given:
        as_men, as_women = (odds_of(model, bare.assign(sex=s)) for s in ("male", "female"))
        direct = float((as_men - as_women).mean())
    # the path through hours: sex as it is, hours as each sex would have them
    paths = [odds_of(model, bare.assign(hours=who["hours"]).drop(columns=left)) for who in (men, women)]
    proxy = float((paths[0] - paths[1]).mean())
    found = cfsearch.column_effects(model, held, protected=["sex"], label="approved", target="yes")
    row = found["sex"]
    [comparison] = row["comparisons"]
    sign = 1.0 if comparison["name"] == "male" else -1.0
    decided = model.predict(held.drop(columns=["approved", *left])) == "yes"
    male = (held["sex"] == "male").to_numpy()
    counts = [[int((decided & m).sum()), int((~decided & m).sum())] for m in (male, ~male)]
    parity, odds = fairlearn_metrics(held["approved"].to_numpy() == "yes", decided, held["sex"])
    return Result(
        world.name,
        kind,
        given,
        direct,
        proxy,
        row["reading"],
        row["through"]["reading"],
        tuple(named_proxies(row)),
        sign * comparison["effect"]["logits"]["value"] if given else 0.0,
        sign * comparison["through"]["logits"]["value"],
        parity,
        odds,
        float(fisher_exact(counts)[1]),
    )


def fairlearn_metrics(
    truth: NDArray[np.bool_], decided: NDArray[np.bool_], sex: pd.Series
) -> tuple[float, float]:
    """Differences of demographic parity and of equalised odds."""
    measures = import_module("fairlearn.metrics")
    return (
        float(measures.demographic_parity_difference(truth, decided, sensitive_features=sex)),
        float(measures.equalized_odds_difference(truth, decided, sensitive_features=sex)),
    )


def clopper(k: int, n: int) -> str:
    """`k of n` with its exact interval."""
    from scipy.stats import binomtest

    if not n:
        return "-"
    ends = binomtest(k, n).proportion_ci(method="exact")
    return f"{k}/{n} [{ends.low:.2f}, {ends.high:.2f}]"


def show(results: list[Result]) -> None:
    """The tables."""
    print(
        "| world | sex given | models | true direct, logits | true proxy | audit: leans directly | through others | names"
        " hours alone | neither | cannot tell of either | DPD > .1 | EOD > .1 | Fisher < .05 |"
    )
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for world, given in itertools.product(WORLDS, (True, False)):
        part = [r for r in results if r.world == world.name and r.given == given]
        if not part:
            continue
        direct, proxy = np.array([r.direct for r in part]), np.array([r.proxy for r in part])
        cells = [
            sum(r.reading == "leans" for r in part),
            sum(r.through == "leans" for r in part),
            sum(r.proxies == ("hours",) for r in part),
            sum(r.reading == r.through == "does not lean" for r in part),
            sum("cannot tell" in (r.reading, r.through) for r in part),
            sum(r.parity > 0.1 for r in part),
            sum(r.odds > 0.1 for r in part),
            sum(r.fisher < 0.05 for r in part),
        ]
        print(
            f"| {world.name} | {'yes' if given else 'no'} | {len(part)} | {direct.mean():+.2f} ({direct.min():+.2f} to "
            f"{direct.max():+.2f}) | {proxy.mean():+.2f} ({proxy.min():+.2f} to {proxy.max():+.2f}) | "
            + " | ".join(str(c) for c in cells)
            + " |"
        )
    small, large = PRACTICAL, 2 * PRACTICAL
    fair = [r for r in results if r.world == "no effect"]
    print("\nFamily-wise false alarms, worlds without effect (any finding of an audit, exact 95 % interval):")
    print("  audit:", clopper(sum("leans" in (r.reading, r.through) for r in fair), len(fair)))
    for name, hit in (
        ("DPD > .1", lambda r: r.parity > 0.1),
        ("EOD > .1", lambda r: r.odds > 0.1),
        ("Fisher < .05", lambda r: r.fisher < 0.05),
    ):
        print(f"  {name}:", clopper(sum(map(hit, fair)), len(fair)))
    print("Against the model's own truth, all worlds:")
    for what, true, reading_of in (
        ("direct", lambda r: r.direct, lambda r: r.reading),
        ("through others", lambda r: r.proxy, lambda r: r.through),
    ):
        none = [r for r in results if abs(true(r)) < small]
        clear = [r for r in results if abs(true(r)) > large]
        print(
            f"  {what}: false {clopper(sum(reading_of(r) == 'leans' for r in none), len(none))} where the truth is under {small}; "
            f"found {clopper(sum(reading_of(r) == 'leans' for r in clear), len(clear))} where it is over {large}; "
            f'"does not lean" read of {clopper(sum(reading_of(r) == "does not lean" for r in clear), len(clear))} of these'
        )
    effective = [r for r in results if max(abs(r.direct), abs(r.proxy)) > large]
    right = [
        r
        for r in effective
        if all(
            reading_of == "leans"
            if abs(true) > large
            else reading_of != "leans"
            if abs(true) < small
            else True
            for true, reading_of in ((r.direct, r.reading), (r.proxy, r.through))
        )
    ]
    print(
        f"Distinguished (both paths read right, where either is over {large}):",
        clopper(len(right), len(effective)),
    )
    given = [r for r in results if r.given]
    error = np.array([r.estimate - r.direct for r in given])
    print(
        f"Direct effect, audit less truth: mean {error.mean():+.3f}, rmse {np.sqrt((error**2).mean()):.3f} logits"
    )


def main() -> None:
    """Run the bank and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=20, help="of each world, with and without sex")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    begun, results = time.process_time(), []
    kinds = ("logistic", "forest", "boosting")
    for w, world in enumerate(WORLDS):
        for i in range(args.models):
            for given in (True, False):
                seed = args.seed + 1_000 * w + i
                results.append(one(world, kinds[i % 3], given, seed=seed))
        print(
            f"{world.name}: {2 * args.models} models, {time.process_time() - begun:.0f} CPU s so far",
            flush=True,
        )
    show(results)


if __name__ == "__main__":
    main()
