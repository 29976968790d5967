"""Solvers compared: volumes worked by hand, ranks, and what is printed of them."""

import io
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from rich.console import Console

from cfsearch.cli import bench
from cfsearch.cli._invocation import Invocation
from cfsearch.cli.bench import _Run
from cfsearch.errors import CfsearchError, PartialFailure, ProviderError


def stub(points: list[list[float]], *, first: list[float], found: bool = True) -> Any:
    """What a comparison reads of a front."""
    return SimpleNamespace(f=torch.tensor(points), reference_point=torch.tensor(first), found=found)


def assembled() -> Any:
    """What a comparison reads of an assembly."""
    measures = [SimpleNamespace(name="adversarial"), SimpleNamespace(name="intensity")]
    return SimpleNamespace(
        config=SimpleNamespace(resolved=lambda: {"run": {}}),
        search=SimpleNamespace(objectives=measures, evaluations=240),
    )


def runs() -> list[_Run]:
    """Two solvers with two seeds on one image; a second image that one run has no front of.

    The worst of all is (4, 4), the best (0, 0): the box is 16. The point (1, 1) spans 3 x 3 = 9 of it, (2, 2)
    2 x 2 = 4; (0, 2) and (2, 0) together 4 x 2 + 2 x 2 = 12; (3, 3) spans 1.
    """
    other = stub([[0.5, 0.5]], first=[1.0, 1.0], found=False)
    return [
        _Run("slow", 1, {"a.png": stub([[1.0, 1.0]], first=[4.0, 3.0]), "b.png": other}, 12.0),
        _Run("slow", 2, {"a.png": stub([[2.0, 2.0]], first=[3.0, 4.0]), "b.png": other}, 14.0),
        _Run("good", 1, {"a.png": stub([[0.0, 2.0], [2.0, 0.0]], first=[3.0, 3.0]), "b.png": other}, 2.0),
        _Run("good", 2, {"a.png": stub([[3.0, 3.0]], first=[3.0, 3.0])}, 3.0),
    ]


@pytest.fixture
def document() -> dict[str, Any]:
    return bench._document(assembled(), runs(), ["slow", "good"])


def test_volumes_are_shares_of_the_box_between_best_and_worst(document: dict[str, Any]) -> None:
    (image,) = document["images"]
    assert image["name"] == "a.png"
    assert (image["reference_point"], image["ideal_point"]) == ([4.0, 4.0], [0.0, 0.0])
    volumes = [(one["solver"], one["seed"], one["value"]) for one in image["hypervolumes"]]
    assert volumes == [("slow", 1, 9.0), ("slow", 2, 4.0), ("good", 1, 12.0), ("good", 2, 1.0)]
    by_solver = {row["solver"]: row for row in document["solvers"]}
    assert by_solver["slow"]["by_seed"] == [9 / 16, 4 / 16]
    assert by_solver["good"]["by_seed"] == [12 / 16, 1 / 16]


def test_solvers_are_ranked_by_their_mean_and_equal_ones_by_name(document: dict[str, Any]) -> None:
    first, second = document["solvers"]
    assert (first["rank"], second["rank"]) == (1, 2)
    assert first["mean"] == second["mean"] == 13 / 32
    assert (first["solver"], second["solver"]) == ("good", "slow")
    assert second["sd"] == pytest.approx(5 / 32 * 2**0.5)  # of two values, their distance / sqrt(2)
    assert (first["seconds"], second["seconds"]) == (2.5, 13.0)
    # the image that is left out counts among those that were searched
    assert (first["found"], second["found"]) == (pytest.approx(2 / 3), 0.5)
    better = runs()
    better[1] = _Run("slow", 2, {"a.png": stub([[1.0, 1.0]], first=[4.0, 4.0])}, 1.0)
    ranked = bench._document(assembled(), better, ["slow", "good"])["solvers"]
    assert [row["solver"] for row in ranked] == ["slow", "good"]


def test_the_document_names_what_was_compared(document: dict[str, Any]) -> None:
    assert document["format"] == "cfsearch-bench/1"
    assert document["objectives"] == ["adversarial", "intensity"]
    assert (document["evaluations"], document["seeds"], document["left_out"]) == (240, [1, 2], ["b.png"])
    assert document["config"] == {"run": {}}


def test_one_seed_has_no_deviation_and_no_shared_image_no_ranks() -> None:
    single = bench._document(assembled(), [runs()[0], runs()[2]], ["slow", "good"])
    assert [row["sd"] for row in single["solvers"]] == [None, None]
    apart = [_Run("slow", 1, {"a": stub([[1.0, 1.0]], first=[2.0, 2.0])}, 1.0), _Run("good", 1, {}, 1.0)]
    empty = bench._document(assembled(), apart, ["slow", "good"])
    assert (empty["images"], empty["solvers"], empty["left_out"]) == ([], [], ["a"])


def test_an_image_that_failed_everywhere_is_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    monkeypatch.setattr(bench, "note", heard.append)
    failed: dict[str, CfsearchError] = {"b.png": ProviderError("model: it raised.")}
    both = [_Run(run.solver, run.seed, {"a.png": run.fronts["a.png"]}, 1.0, failed, ("a.png", "b.png")) for run in runs()]  # fmt: skip
    document = bench._document(assembled(), both, ["slow", "good"])
    assert [image["name"] for image in document["images"]] == ["a.png"] and document["left_out"] == ["b.png"]
    assert bench._verdict(both, document) is None and heard == ["b.png is left out: model: it raised."]
    none = [_Run("slow", 1, {}, 1.0, failed, ("b.png",)), _Run("good", 1, {}, 1.0, failed, ("b.png",))]
    document = bench._document(assembled(), none, ["slow", "good"])
    error = bench._verdict(none, document)
    assert isinstance(error, ProviderError) and error.exit_code == 3 and "it raised" in str(error)
    still = [_Run("slow", 1, {}, 1.0, {}, ("a",)), _Run("good", 1, {}, 1.0, {}, ("a",))]
    document = bench._document(assembled(), still, ["slow", "good"])
    assert document["left_out"] == ["a"] and isinstance(bench._verdict(still, document), PartialFailure)


def printed(document: dict[str, Any]) -> list[str]:
    """The lines of a table on a terminal of 100 columns."""
    file = io.StringIO()
    bench._show(Console(file=file, width=100, color_system=None), document)
    return [line.strip() for line in file.getvalue().splitlines() if line.strip()]


def test_the_table_shows_each_figure_in_its_column(document: dict[str, Any]) -> None:
    lines = printed(document)
    assert lines[0].split("  ")[0] == "rank"
    columns = ["rank", "solver", "hypervolume, mean", "sd", "images flipped", "time a run"]
    assert [part.strip() for part in lines[0].split("  ") if part.strip()] == columns
    assert lines[2].split() == ["1", "good", "0.4062", "0.4861", "67", "%", "2.5", "s"]
    assert lines[3].split() == ["2", "slow", "0.4062", "0.2210", "50", "%", "13", "s"]
    text = " ".join(lines[4:])
    assert "2 seeds, 240 candidates an image, 1 image. Hypervolume as a share of the box" in text
    assert "Reference point: adversarial 4, intensity 4" in lines
    assert lines[-1] == "Left out, without a front for some run: b.png"


def test_several_images_are_counted_and_none_is_left_out(document: dict[str, Any]) -> None:
    both = {**document, "images": document["images"] * 2, "left_out": []}
    both["solvers"] = [{**row, "sd": None} for row in document["solvers"]]
    lines = printed(both)
    assert lines[2].split() == ["1", "good", "0.4062", "67", "%", "2.5", "s"]
    assert "240 candidates an image, 2 images." in " ".join(lines)
    assert not [line for line in lines if line.startswith(("Reference point", "Left out"))]


def test_images_go_to_the_search_in_groups_with_each_solver_and_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    from cfsearch.cli import search as command
    from cfsearch.config import PluginConfig

    groups: list[tuple[int, int, list[str]]] = []

    class Search:
        generator = SimpleNamespace(shape=(3, 2, 2))

        def run(self, x: torch.Tensor, *, names: list[str]) -> list[object]:
            groups.append((self.seed, len(x), names))
            return []

        seed = -1

    def replaced(search: Search, *, solver: Any, seed: int) -> Search:
        made = Search()
        made.seed = seed
        assert solver.func is bench._solver
        return made

    monkeypatch.setattr(Invocation, "current", staticmethod(lambda: Invocation(("bench", "-q"), quiet=True)))
    monkeypatch.setattr(bench, "replace", replaced)
    monkeypatch.setattr(command, "image_refs", list)
    record = SimpleNamespace(x=torch.zeros(3, 2, 2))
    monkeypatch.setattr(
        "cfsearch.assembly.images.read_fitting",
        lambda ref, shape: SimpleNamespace(x=record.x, name=f"{ref}") if shape == (3, 2, 2) else None,
    )

    def of(step: int | None, device: str = "cpu") -> Any:
        run = SimpleNamespace(device=device, batch_size=step)
        return SimpleNamespace(search=Search(), config=SimpleNamespace(run=run))

    solvers = [PluginConfig(name="one"), PluginConfig(name="two")]
    images = cast("Any", list("abcde"))
    found = bench._runs(of(2), images, solvers, range(3, 5))
    assert [(run.solver, run.seed) for run in found] == [("one", 3), ("one", 4), ("two", 3), ("two", 4)]
    assert groups[:3] == [(3, 2, ["a", "b"]), (3, 2, ["c", "d"]), (3, 1, ["e"])]
    groups.clear()
    bench._runs(of(None), images, solvers[:1], [0])
    assert [size for _, size, _ in groups] == [4, 1]
    groups.clear()
    bench._runs(of(None, "meta"), images, solvers[:1], [0])
    assert [size for _, size, _ in groups] == [5]
