"""What ``plan`` prints: every figure on its line; how long is measured."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import torch
from rich.console import Console

from cfsearch.cli import plan
from cfsearch.cli.plan import _timed
from cfsearch.engine.search import Search
from cfsearch.generators.attgan.config import AttGANConfig
from cfsearch.generators.attgan.files import AttGANFile, save_attgan
from cfsearch.generators.attgan.networks import Editor
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.schemas import schema
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider

from .conftest import Call, Flags, Toys

SMALL = AttGANConfig(size=64, layers=2, width=2, attributes=("Hat", "Old"))

DOCUMENT: dict[str, Any] = {
    "model": "m\x1b[31m",
    "generator": "pixels",
    "solver": "nsga2",
    "generations": 12,
    "population": 50,
    "objectives": ["adversarial", "intensity"],
    "constraints": [],
    "images": 1234,
    "queries": 5_678_901,
    "beside": {"shared changes": 10_000, "effects": 2700, "genuineness": 5},
    "seconds": 3700.0,
    "disk_bytes": 1_234_567_890,
    "notes": ["one", "two"],
}


def printed(document: dict[str, Any]) -> list[str]:
    file = io.StringIO()
    plan._show(Console(file=file, width=60, color_system=None), document)
    return file.getvalue().splitlines()


def test_each_figure_stands_on_its_line() -> None:
    assert printed(DOCUMENT) == [
        "model       m\\u001b[31m",
        "generator   pixels",
        "solver      nsga2, 12 generations of 50",
        "objectives  adversarial, intensity",
        "constraints none",
        "images      1,234",
        "queries     at most 5,678,901 to the model by the searches",
        "beside      at most 10,000 for shared changes, 2,700 for effects and 5 for genuineness",
        "time        about 1 h 01 min on this machine",
        "disk        at most 1,235 MB",
        "! one",
        "! two",
    ]


@pytest.mark.parametrize("noun", ["texts", "recordings", "rows"])
def test_inputs_of_every_kind_are_counted(noun: str) -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != "images"}
    assert f"{noun:<12}41" in printed(document | {noun: 41})


def test_rows_and_constraints_are_named() -> None:
    document = {key: value for key, value in DOCUMENT.items() if key != "images"}
    lines = printed(document | {"rows": 3, "constraints": ["flip", "max_changed"], "notes": [], "beside": {}})
    assert lines[4:6] == ["constraints flip, max_changed", "rows        3"]
    assert len(lines) == 9


def test_time_is_that_of_one_generation_and_of_what_comes_before(
    call: Call, toys: Toys, fast: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that a search moves by 2 s, whatever its size, makes 24 candidates take 1/12 s each."""
    now, runs = [0.0], []
    run = Search.run

    def timed(self: Search, *args: Any, **kwargs: Any) -> Any:
        runs.append((self.evaluations, self.population, self.target, kwargs["names"]))
        now[0] += 2.0
        return run(self, *args, **kwargs)

    monkeypatch.setattr(Search, "run", timed)
    monkeypatch.setattr("cfsearch.cli.plan.time.perf_counter", lambda: now[0])
    words = ("--images", toys.pictures(count=3), "--model", toys.model(), *fast, "--target", "bright")
    document = call("plan", *words, "--json").document
    assert document["seconds_a_candidate"] == pytest.approx(2 / 24)
    assert document["seconds"] == pytest.approx(3 * 240 * 2 / 24, abs=0.1)
    assert [(evaluations, target) for evaluations, _, target, _ in runs] == [(2, None), (24, None)]
    assert (document["images"], document["candidates"], document["generations"]) == (3, 720, 10)
    # 3 x 32 x 32 bytes and 400 more a member of at most 100, and the page
    assert document["disk_bytes"] == 3 * 100 * (3 * 32 * 32 + 400) + 20_000_000
    assert (document["format"], document["population"], document["solver"]) == (
        "cfsearch-plan/1",
        24,
        "nsga2",
    )
    assert (document["objectives"], document["constraints"]) == (["adversarial", "intensity"], [])


def test_what_comes_before_a_search_is_timed_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run takes 2 s, and 5 s more where it begins with explainers."""
    now = [0.0]

    def timed(self: Search, x: Any, **_: Any) -> list[None]:
        now[0] += 2.0 if self.seeds is None else 7.0
        return [None]

    monkeypatch.setattr(Search, "run", timed)
    monkeypatch.setattr("cfsearch.cli.plan.time.perf_counter", lambda: now[0])
    plain = Search(
        FakeProvider(),
        FakeGenerator(),
        [Adversarial(), Intensity()],
        lambda population: RandomSearch(population=population),
        evaluations=80,
        population=20,
    )
    config = SimpleNamespace(run=SimpleNamespace(device="cpu"))
    for search, before in ((plain, 0.0), (replace(plain, seeds=lambda _: []), 5.0)):
        pace = _timed(SimpleNamespace(search=search, config=config), torch.zeros(3, 16, 16), None)  # type: ignore[arg-type] # no more is read
        assert (pace.candidate, pace.before) == (2.0 / 20, before)


@pytest.mark.parametrize(("votes", "candidates", "queries"), [(0, 78, 100), (4, 79, 400)])
def test_a_limit_on_queries_makes_a_search_smaller_and_is_never_passed(
    call: Call, toys: Toys, fast: Flags, votes: int, candidates: int, queries: int
) -> None:
    """Of 100 queries one is for the original, two for its ends, a fifth of 97 (19) for members, 78 are left.

    Of 400 to a model that votes with 4, 4 are for the original, 2 for its ends, a fifth of 394 (78) for members, and
    316 are left, for 79 candidates.
    """
    model = toys.model(end="ArgMax" if votes else "Sigmoid")
    flags = ("--votes", votes, "--sigma", 0.1) if votes else ()
    words = ("plan", "--images", toys.pictures(count=3), "--model", model, *fast, *flags)
    document = call(*words, "--max-queries", queries, "--json").document
    assert document["candidates"] == 3 * candidates
    assert document["queries"] == 3 * queries


def test_what_a_decision_takes_is_shown_from_few_queries_to_many() -> None:
    def shown(holds: int | None, breaks: int | None) -> str:
        entry = {"sentence": "a condition", "queries": {"least": 1000, "holds": holds, "breaks": breaks}}
        [line] = [one for one in printed(DOCUMENT | {"until_decided": [entry]}) if one.startswith("decided")]
        return line

    assert shown(2000, 30_000) == "decided     a condition: 2,000 to 30,000 queries"
    assert shown(30_000, 2000) == shown(2000, 30_000)
    # what may never be decided takes all that there is
    assert shown(None, 2000) == "decided     a condition: 2,000 to 5,678,901 queries"
    assert shown(2000, None) == shown(None, 2000)


def test_images_that_cannot_be_read_are_passed_over(call: Call, toys: Toys, fast: Flags) -> None:
    faces = toys.pictures(count=2)
    (faces / "a.png").write_bytes(b"no picture")
    words = ("plan", "--images", faces, "--model", toys.model(), *fast)
    assert call(*words, "--json").document["images"] == 3
    for path in faces.iterdir():
        path.write_bytes(b"no picture")
    answer = call(*words)
    assert answer.code == 2
    assert "images: none of 3 under" in answer.error and "can be searched" in answer.error


def test_queries_beside_the_searches_are_foreseen(call: Call, toys: Toys, fast: Flags) -> None:
    faces = toys.pictures(count=20)
    model = toys.model("counted.onnx", slope=12.0)
    words = ("--images", faces, "--model", model, *fast, "--generator", "faces64", "--evaluations", "20")
    planned = call("plan", *words, "--json")
    assert planned.code == 0, planned.err
    jsonschema.validate(planned.document, schema("plan"))
    beside = planned.document["beside"]
    assert set(beside) == {"shared changes", "effects", "genuineness"}
    assert beside["effects"] == 20 * 27 and beside["shared changes"] == 10_000
    assert "for shared changes, 540 for effects and" in call("plan", *words).out
    few = toys.pictures("few", count=2)
    bare = call("plan", "--images", few, "--model", model, *fast, "--json")
    assert bare.document["beside"] == {}


def test_a_second_generator_and_what_is_measured_beside_are_foreseen(
    call: Call, toys: Toys, fast: Flags, tmp_path: Path
) -> None:
    faces = toys.pictures(count=20)
    rows = [f"{path.name},{i % 2},1" for i, path in enumerate(sorted(faces.iterdir()))]
    (tmp_path / "shown.csv").write_text("\n".join(["file,Hat,Old", *rows]))
    files = [tmp_path / f"{seed}.safetensors" for seed in (1, 2)]
    for path in files:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(path.stem))
            save_attgan(
                path, AttGANFile(Editor(SMALL), None, card={"edit_success": {"Hat": 0.9, "Old": 0.9}})
            )
    words = ("--images", faces, "--attributes", tmp_path / "shown.csv", "--model", toys.model(), *fast)
    words = ("plan", *words, "--generator", files[0])
    one, two = call(*words, "--json"), call(*words, "--second-generator", files[1], "--json")
    assert (one.code, two.code) == (0, 0), (one.err, two.err)
    jsonschema.validate(two.document, schema("plan"))
    assert "second_generator" not in one.document and two.document["second_generator"] == "attgan"
    queries = [answer.document["beside"]["genuineness"] for answer in (one, two)]
    assert queries[1] == 2 * queries[0] > 0
    assert "second      attgan" in call(*words, "--second-generator", files[1]).out
    without = call(*words, "--no-genuineness", "--shared-queries", 7, "--contribution-queries", 9, "--json")
    beside = without.document["beside"]
    assert beside["genuineness"] == 2 * 20, "the generator's own error is measured all the same"
    assert (beside["shared changes"], beside["contributions"]) == (7, 9)
    refused = call(*words, "--second-generator", files[0])
    assert refused.code == 2 and "is the first generator again" in refused.error
