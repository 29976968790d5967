"""``--seed-with``: a search of rows that begins where explainers end."""

from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import cfsearch
from cfsearch.audits.run import Audit, AuditProgress
from cfsearch.config import Config
from cfsearch.contracts.network import build
from cfsearch.datasets.tables import Encoding, infer_schema
from cfsearch.fronts.front import ParetoFront
from cfsearch.providers.surrogate_file import Surrogate
from cfsearch.runs.directory import RunDirectory
from cfsearch.schemas import schema

from .conftest import Answer, Call

COLUMNS = "abcdef"
ROWS = (
    "0.1,0.2,0.1,0.3,0.2,0.1",
    "0.3,0.1,0.4,0.1,0.5,0.2",
    "0.2,0.2,0.2,0.6,0.1,0.3",
    "0,0,0,0,0,0",
    "1,1,1,1,1,1",
)
SUM = 5.5
"""The model approves rows whose six columns, each in 0 to 1, sum to more: one in 46,000 at random."""
CODE = """
from pathlib import Path

import numpy as np
import torch

def build():
    return torch.nn.Linear(6, 2)

def predict(frame):
    with Path(__file__).with_name("asked").open("a") as log:
        log.write(f"{len(frame)}\\n")
    p = 1 / (1 + np.exp(-4 * (frame.to_numpy().sum(axis=1) - 5.5)))
    return np.stack([1 - p, p], axis=1)
"""
LABELS = 'labels = ["refuse", "approve"]\n'
ONE_GENERATION = ("--evaluations", 8, "--population", 8, "--threads", 1, "--seed", 3)
Run = Callable[..., Answer]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "rows.csv").write_text("\n".join([",".join(COLUMNS), *ROWS]) + "\n")
    (tmp_path / "seed_model.py").write_text(CODE)
    (tmp_path / "net.toml").write_text(f'{LABELS}scores = "logits"\n')
    (tmp_path / "asked.toml").write_text(f'{LABELS}scores = "probabilities"\n')
    weight = torch.stack([-torch.ones(6), torch.ones(6)]) * 2
    save_file({"weight": weight, "bias": torch.tensor([2 * SUM, -2 * SUM])}, tmp_path / "net.safetensors")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "seed_model", raising=False)
    return tmp_path


@pytest.fixture
def search(folder: Path, call: Call) -> Run:
    def run(
        *words: object, model: tuple[object, ...] = ("net.safetensors", "--arch", "seed_model:build")
    ) -> Answer:
        first = folder / str(model[0]) if "." in str(model[0]) else model[0]
        words = (*model[1:], "--data", folder / "rows.csv", "--target", "approve", *ONE_GENERATION, *words)
        return call("search", first, *words)

    return run


def queried(folder: Path) -> int:
    """How many rows the function was given since this was looked at last."""
    log = folder / "asked"
    count = sum(map(int, log.read_text().split()))
    log.unlink()
    return count


@pytest.mark.parametrize("names", ["gradient", "wachter", "pgd,wachter"])
def test_one_generation_is_enough_where_it_begins_at_a_counterfactual(
    search: Run, folder: Path, names: str
) -> None:
    plain = search("--row", 0, "--json").document
    assert not plain["fronts"][0]["found"]
    saved = folder / "one.front"
    answer = search("--row", 0, "--json", "--seed-with", names, "--save", saved)
    assert answer.code == 0, answer.err
    document = answer.document
    jsonschema.validate(document, schema("search"))
    [front] = document["fronts"]
    assert front["found"]
    assert front["evaluations"] == plain["fronts"][0]["evaluations"] == 7, (
        "8 candidates, of which one is the row"
    )
    said = [one["name"] for one in document["search"]["config"]["search"]["seed_with"]]
    assert said == names.split(",")
    assert any(
        "first population" in note and ", ".join(names.split(",")) in note
        for note in document["search"]["notes"]
    )
    loaded = ParetoFront.load(saved)
    assert loaded.extra["seeded_with"] == names.split(",")
    assert loaded.rows is not None
    assert bool((loaded.rows[loaded.verified].sum(1) > SUM).all())
    assert "seeded_with" not in plain["fronts"][0].get("extra", {})


def test_columns_held_fixed_stay_so(search: Run) -> None:
    answer = search("--row", 0, "--json", "--seed-with", "gradient", "--immutable", "a,b")
    words = [w for m in answer.document["fronts"][0]["members"] for w in m["words"]]
    assert not [w for w in words if w.startswith(("a ", "b "))]


def model_and_rows(folder: Path) -> tuple[object, ...]:
    model, rows = folder / "net.safetensors", folder / "rows.csv"
    return ("--model", model, "--arch", "seed_model:build", "--data", rows)


def config(folder: Path, **search: object) -> Config:
    return Config.check(
        {
            "model": {"path": str(folder / "net.safetensors"), "arch": "seed_model:build"},
            "data": {"table": str(folder / "rows.csv"), "limit": 3},
            "search": {
                "evaluations": 16,
                "population": 8,
                "seed": 3,
                "target": "approve",
                "seed_with": ["gradient", {"name": "wachter"}],
                **search,
            },
            "run": {"batch_size": 1, "threads": 1},
        }
    )


def digests(run: Path) -> dict[str, str]:
    with RunDirectory.read(run) as opened:
        return {row.name: row.front.digest for row in opened.rows() if row.front is not None}


def test_a_seeded_run_goes_on_to_the_same_bytes_and_no_other_seeds(folder: Path, call: Call) -> None:
    def stop(state: AuditProgress) -> None:
        if state.done == 1:
            raise KeyboardInterrupt

    broken, whole = folder / "broken", folder / "whole"
    with pytest.raises(KeyboardInterrupt):
        Audit(config(folder), directory=broken, watch=stop).run()
    assert len(digests(broken)) == 1
    model = model_and_rows(folder)
    wanted = ("--limit", 3, "--evaluations", 16, "--population", 8, "--seed", 3, "--target", "approve")
    words: tuple[object, ...] = (*model, *wanted)
    other = call("audit", *words, "--threads", 1, "--seed-with", "gradient", "--out", broken)
    assert other.code == 2
    assert "seed_with" in other.error
    again = call(
        "audit", *words, "--threads", 1, "--seed-with", "gradient,wachter", "--out", broken, "--json"
    )
    assert again.code == 0, again.err
    assert "1 of 3 rows were done before" in again.err
    jsonschema.validate(again.document, schema("audit"))
    assert again.document["search"]["seeded_with"] == ["gradient", "wachter"]
    assert "counterfactuals of gradient, wachter" in (broken / "report.html").read_text().replace(
        "<bdi>", ""
    ).replace("</bdi>", "")
    # all in one batch, as the command does by itself
    together = Config.check({**config(folder).resolved(), "run": {"batch_size": 4, "threads": 1}})
    Audit(together, directory=whole).run()
    assert digests(broken) == digests(whole)


def test_without_seeds_the_settings_are_those_of_older_runs(folder: Path) -> None:
    assert "seed_with" not in config(folder, seed_with=None).resolved()["search"]


def test_a_plan_knows_of_the_seeds(folder: Path, call: Call) -> None:
    words = model_and_rows(folder)
    answer = call("plan", *words, *ONE_GENERATION, "--seed-with", "gradient", "--json")
    assert answer.code == 0, answer.err
    jsonschema.validate(answer.document, schema("plan"))
    assert any("first population" in note for note in answer.document["notes"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--seed-with", "gradeint"), "Did you mean 'gradient'?"),
        (("--seed-with", "gradual"), "gradual learns from rows of the training table; give --reference"),
        (("--seed-with", "axai"), "axai: says which features count and gives no counterfactuals"),
    ],
    ids=["unknown", "no reference", "no counterfactuals"],
)
def test_explainers_that_cannot_begin_a_search(search: Run, words: tuple[object, ...], said: str) -> None:
    answer = search("--row", 0, *words)
    assert answer.code == 2
    assert said in answer.error


def test_a_model_without_gradients_must_be_distilled_first(search: Run, folder: Path) -> None:
    model = ("seed_model:predict", "--sidecar", folder / "asked.toml")
    answer = search("--row", 0, "--seed-with", "gradient", model=model)
    assert answer.code == 2
    assert "gradient follows gradients, and" in answer.error
    assert "Distil it first (`cfsearch distill`) and give the file with --surrogate." in answer.error


def surrogate(folder: Path) -> Path:
    table = infer_schema(folder / "rows.csv").schema
    encoding = Encoding.plain(table)
    network = build("linear", shape=(encoding.width,), classes=2)
    layer = next(m for m in network.modules() if isinstance(m, torch.nn.Linear))
    with torch.no_grad():
        # steeper than the model, with its boundary a little beyond the model's
        layer.weight.copy_(torch.stack([-torch.ones(6), torch.ones(6)]) * 5)
        layer.bias.copy_(torch.tensor([5.0, -5.0]) * (SUM + 0.1))
    return Surrogate(
        "linear", network, (encoding.width,), ("refuse", "approve"), encoding, "another", {}
    ).save(folder / "surrogate.safetensors")


@pytest.mark.parametrize("names", ["gradient", "gradient,wachter"])
def test_what_explainers_ask_of_the_model_is_counted(search: Run, folder: Path, names: str) -> None:
    model = ("seed_model:predict", "--sidecar", folder / "asked.toml", "--surrogate", surrogate(folder))
    told, logged = [], []
    for words in ((), ("--seed-with", names)):
        answer = search("--row", 0, "--row", 4, "--json", *words, model=model)
        assert answer.code == 0, answer.err
        jsonschema.validate(answer.document, schema("search"))
        told.append(answer.document["fronts"])
        logged.append(queried(folder))
    plain, seeded = told
    for front in plain:  # candidates are the surrogate's: a row and its unchanged form, and what is stored
        assert (front["seeding"], front["questions"]) == (0, 2 + len(front["members"]))
    assert seeded[0]["seeding"] > 2
    assert seeded[1]["seeding"] == 0  # which has the class already
    notes = " ".join(answer.document["search"]["notes"])
    assert "gives gradients to" in notes and "candidates are queries to the model" in notes
    for front, candidates in zip(
        seeded, (1 + seeded[0]["evaluations"], 1), strict=True
    ):  # queries to the model, too
        assert front["questions"] == candidates + 2 + len(front["members"]) + front["seeding"]
    total = [sum(front["questions"] for front in fronts) for fronts in told]
    # the first contact and the search are logged alike in both
    assert logged[1] - logged[0] == total[1] - total[0]
    shown = search("--row", 0, "--seed-with", names, model=model).out
    first = seeded[0]
    assert (
        f"{first['evaluations']} candidates ({first['questions']} queries to the model, {first['seeding']} of them by explainers before)"
        in " ".join(shown.split())
    )


def test_an_audit_counts_its_queries(folder: Path, call: Call) -> None:
    words = ("--limit", 3, "--evaluations", 16, "--population", 8, "--target", "approve", "--threads", 1)
    run = folder / "run"
    answer = call(
        "audit", *model_and_rows(folder), *words, "--seed-with", "gradient,wachter", "--out", run, "--json"
    )
    assert answer.code == 0, answer.err
    jsonschema.validate(answer.document, schema("audit"))
    with RunDirectory.read(run) as opened:
        fronts = [row.front for row in opened.rows() if row.front is not None]
    for front in fronts:
        assert front.seeding > 2
        assert front.evaluations <= 16
        assert front.queries == 1 + front.evaluations + front.seeding + len(front) + 2
    [counts] = answer.document["counts"]
    total, seeding = sum(f.queries or 0 for f in fronts), sum(f.seeding for f in fronts)
    assert counts["questions"] == {"all": total, "seeding": seeding}
    page = (run / "report.html").read_text()
    assert (
        f"{total} inputs that the model was queried with for them, {seeding} of them by the explainers"
        in page
    )
    table = folder / "rows-out.csv"
    assert call("export", run, "--table", "instances", "--format", "csv", "--out", table).code == 0
    assert {"questions", "seeding"} < set(table.read_text().splitlines()[0].split(","))


def test_a_surrogates_gradients_lead_to_what_the_model_itself_confirms(search: Run, folder: Path) -> None:
    file = surrogate(folder)
    model = ("seed_model:predict", "--sidecar", folder / "asked.toml", "--surrogate", file)
    plain = search("--row", 0, "--json", model=model)
    assert plain.code == 0, plain.err + plain.out
    assert not plain.document["fronts"][0]["found"]
    saved = folder / "one.front"
    answer = search("--row", 0, "--json", "--seed-with", "gradient", "--save", saved, model=model)
    assert answer.code == 0, answer.err
    assert answer.document["fronts"][0]["found"]
    front = ParetoFront.load(saved)
    assert front.rows is not None
    assert bool((front.rows[front.verified].sum(1) > SUM).all())


def test_images_cannot_begin_with_a_painted_picture(call: Call, model: Path, face: Path) -> None:
    answer = call("search", face, "--model", model, "--seed-with", "gradient")
    assert answer.code == 2
    assert (
        "`search.seed_with` goes with a table: a picture that an explainer painted has no place"
        in answer.error
    )


@pytest.fixture
def train(folder: Path) -> Path:
    """A training table of 60 rows, of which the model approves the last ten."""
    draw = np.random.default_rng(0)
    rows = np.concatenate([draw.uniform(0, 0.8, (50, 6)), draw.uniform(0.95, 1, (10, 6))]).round(2)
    path = folder / "train.csv"
    path.write_text("\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_with_a_reference_a_search_begins_at_its_nearest_rows_of_the_class(search: Run, train: Path) -> None:
    plain = search("--row", 0, "--json").document["fronts"][0]
    assert not plain["found"], "one generation of 8 finds nothing by itself"
    answer = search("--row", 0, "--reference", train, "--json")
    jsonschema.validate(answer.document, schema("search"))
    [front] = answer.document["fronts"]
    assert front["found"] and front["seeding"] == 0
    assert [o["name"] for o in front["objectives"]] == ["adversarial", "gower", "changed", "neighbours"]
    assert front["extra"]["seeded_with"] == ["nearest"]
    without = search("--row", 0, "--reference", train, "--seed-with", "none", "--json").document["fronts"][0]
    assert not without["found"] and "seeded_with" not in without["extra"]


def test_nearest_rows_keep_what_must_not_change(search: Run, train: Path) -> None:
    words = (
        "--row",
        0,
        "--reference",
        train,
        "--immutable",
        "a,b",
        "--seed-with",
        "nearest:count=6",
        "--json",
    )
    [front] = search(*words).document["fronts"]
    assert front["members"] and all(not {"a", "b"} & set(m["change"]) for m in front["members"])
    assert any(len(m["change"]) == 4 for m in front["members"]), "a seed changes all that may change"


def test_python_and_toml_begin_alike(folder: Path, search: Run, train: Path) -> None:
    rows = {"table": str(folder / "rows.csv"), "rows": [0], "reference": str(train)}
    settings = {"evaluations": 8, "population": 8, "seed": 3, "target": "approve"}
    model = {"path": str(folder / "net.safetensors"), "arch": "seed_model:build"}
    read = Config.check({"model": model, "data": rows, "search": {**settings, "seed_with": ["nearest"]}})
    assert [p.name for p in read.search.seed_with or ()] == ["nearest"]
    fronts = cfsearch.search(
        folder / "net.safetensors",
        folder / "rows.csv",
        arch="seed_model:build",
        rows=[0],
        reference=train,
        target="approve",
        evaluations=8,
        population=8,
        seed=3,
    )
    [front] = search("--row", 0, "--reference", train, "--json").document["fronts"]
    assert [round(float(v), 4) for v in fronts[0].f[0]] == [
        round(float(v), 4) for v in front["members"][0]["objectives"].values()
    ]


def test_a_front_begun_at_nearest_rows_is_the_same_alone_and_in_company(search: Run, train: Path) -> None:
    words = ("--reference", train, "--immutable", "a", "--json")
    both = search("--row", 0, "--row", 1, "--row", 2, *words).document["fronts"]
    for i, front in enumerate(both):
        [alone] = search("--row", i, *words).document["fronts"]
        assert alone == front


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seed-with", "nearest"), "nearest begins at rows of the training table; give --reference"),
        (("--seed-with", "nearest:k=3", "--reference", "train.csv"), "unknown setting 'k'"),
        (("--seed-with", "nearest:count=0", "--reference", "train.csv"), "whole number of at least 1, got 0"),
        (("--seed-with", "none,nearest", "--reference", "train.csv"), "'none' stands alone"),
    ],
)
def test_nearest_is_refused_where_it_cannot_be(
    search: Run, train: Path, folder: Path, words: tuple[str, ...], message: str
) -> None:
    answer = search("--row", 0, *(folder / w if w == "train.csv" else w for w in words))
    assert answer.code == 2 and message in " ".join(answer.err.split())


def test_a_class_of_too_few_reference_rows_is_judged_by_the_density(
    search: Run, folder: Path, train: Path
) -> None:
    lines = train.read_text().splitlines()
    train.write_text("\n".join(lines[:-7]) + "\n")  # three rows are approved
    [front] = search("--row", 0, "--reference", train, "--json").document["fronts"]
    assert [o["name"] for o in front["objectives"]][-1] == "plausibility"
    assert front["found"], "and yet it begins at them"
