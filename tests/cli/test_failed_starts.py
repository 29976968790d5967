"""A start that fails leaves no run directory: the corrected command can use the same name."""

from pathlib import Path

import click
import pytest

from cfsearch.cli.audit import audit as command

from .conftest import Call, Flags, Toys

OF_IMAGES = {
    "config": ["nowhere.toml"],
    "images": ["--images", "nowhere"],
    "attributes": ["--attributes", "nowhere.csv"],
    "split": ["--split", "test"],
    "by": ["--by", "Male"],
    "limit": ["--limit", "0"],
    "model": ["--model", "nowhere.onnx"],
    "sidecar": ["--sidecar", "nowhere.toml"],
    "arch": ["--arch", "nowhere.nets:build", "--model", "weights.safetensors"],
    "votes": ["--votes", "1"],
    "sigma": ["--sigma", "0"],
    "surrogate": ["--surrogate", "nowhere.safetensors"],
    "generator": ["--generator", "nothing"],
    "second_generator": ["--second-generator", "nothing"],
    "solver": ["--solver", "nothing"],
    "objectives": ["--objective", "nothing"],
    "constraints": ["--constraint", "nothing"],
    "evaluations": ["--evaluations", "0"],
    "population": ["--population", "0"],
    "capacity": ["--capacity", "0"],
    "max_queries": ["--max-queries", "0"],
    "answers": ["--answers", "0"],
    "robustness": ["--robustness", "101"],
    "patience": ["--patience", "-1"],
    "max_time": ["--max-time", "-1"],
    "protected": ["--protected", "nothing"],
    "practical": ["--practical", "-1"],
    "effect_rows": ["--effect-rows", "-1"],
    "shared_queries": ["--shared-queries", "-1"],
    "contribution_queries": ["--contribution-queries", "-1"],
    "croissant": ["--croissant", "nowhere.json"],
    "fail_if": ["--until-decided", "--fail-if", "nothing > 1"],
    "gates": ["--until-decided", "--gates", "nowhere.toml"],
    "seed": ["--seed", "-1"],
    "target": ["--target", "nothing"],
    "immutable": ["--immutable", "nothing"],
    "reference": ["--reference", "nowhere"],
    "device": ["--device", "nothing"],
    "batch_size": ["--batch-size", "0"],
    "threads": ["--threads", "0"],
    "workers": ["--workers", "0"],
    "data": ["--data", "table.csv"],
    "row": ["--row", "0"],
    "where": ["--where", "age=3"],
    "decided": ["--decided", "no"],
    "schema": ["--schema", "nowhere.toml"],
    "label": ["--label", "nothing"],
    "trust": ["--trust", "nothing", "--model", "nowhere.skops"],
    "critic": ["--critic", "density"],
    "seed_with": ["--seed-with", "gradient"],
    "text": ["--text", "a dull film"],
    "texts": ["--texts", "nowhere.txt"],
    "column": ["--column", "nothing"],
    "sounds": ["--sounds", "nowhere"],
    "protocol": ["--protocol", "oip"],
    "encoding": ["--encoding", "utf-8"],
    "delimiter": ["--delimiter", ";"],
    "trust_model": ["--trust-model", "nothing"],
    "deadline": ["--deadline", "0"],
    "memory": ["--memory", "0"],
}
"""Of each option of ``cfsearch audit`` on images, a value that cannot be used there."""

LATER = {
    "a setting of a solver": ["--solver", "nsga2:nothing=1"],
    "a setting of a generator": ["--generator", "pixels:nothing=1"],
    "a setting of an objective": ["--objective", "sparsity:threshold=-1"],
    "one objective twice": ["--objective", "intensity"],
    "a need": ["--objective", "plausibility"],
    "a number a class": ["--objective", "logit_closeness"],
}
"""What only opening or searching finds."""


@pytest.mark.parametrize("words", [*OF_IMAGES.values(), *LATER.values()], ids=[*OF_IMAGES, *LATER])
def test_a_wrong_value_of_any_option_leaves_no_directory(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path, words: list[str]
) -> None:
    out = tmp_path / "run"
    right = ("--images", faces, "--model", model, *fast, "--out", out)
    answer = call("audit", *right, *words)
    assert answer.code == 2
    assert answer.out == ""
    assert "unexpected" not in answer.error
    assert not out.exists()


def test_every_option_of_audit_with_a_value_is_tried() -> None:
    takes = {p.name for p in command.params if not (isinstance(p, click.Option) and (p.is_flag or p.count))}
    assert takes - {"out", "title"} == set(OF_IMAGES)


def test_the_corrected_command_works_in_the_same_directory(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    words = ("audit", "--images", faces, "--model", model, *fast, "--out", tmp_path / "run", "--immutable")
    refused = call(*words, "row 1 colum 2")
    assert "immutable: unknown variable 'row 1 colum 2'. Did you mean 'row 1 column 2'?" in refused.error
    assert call(*words, "row 1 column 2").code == 0


def test_a_grid_of_many_cells_is_not_listed_whole(call: Call, model: Path, face: Path, fast: Flags) -> None:
    grid = ("--generator", "pixels:grid=6")
    near = call("search", face, "--model", model, *fast, *grid, "--immutable", "row 2 col 3").error
    assert "Did you mean 'row 2 column 3'?" in near
    assert near.count("column") <= 6
    far = call("search", face, "--model", model, *fast, *grid, "--immutable", "Male").error
    assert "Known: row 1 column 1, row 1 column 2, row 1 column 3, and 33 more." in far


def test_other_cases_of_letters_are_suggested(call: Call, face: Path, toys: Toys, fast: Flags) -> None:
    answer = call("search", face, "--model", toys.model(), *fast, "--target", "BRIGHT")
    assert "Did you mean 'bright'?" in answer.error


def test_a_failure_that_only_the_search_finds_leaves_no_directory(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cfsearch.engine.search import Search
    from cfsearch.errors import PluginError

    def broken(*_: object, **__: object) -> None:
        raise PluginError("objective 'mine' broke")

    monkeypatch.setattr(Search, "run", broken)
    out = tmp_path / "runs" / "one"
    answer = call("audit", "--images", faces, "--model", model, *fast, "--out", out)
    assert "objective 'mine' broke" in answer.error
    assert not out.exists()


def test_files_of_others_in_the_directory_stay(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cfsearch.engine.search import Search
    from cfsearch.errors import PluginError

    out = tmp_path / "run"

    def broken(*_: object, **__: object) -> None:
        (out / "notes.txt").write_text("mine")
        raise PluginError("objective 'mine' broke")

    monkeypatch.setattr(Search, "run", broken)
    assert call("audit", "--images", faces, "--model", model, *fast, "--out", out).code == 2
    assert [path.name for path in out.iterdir()] == ["notes.txt"]
