"""``cfsearch search``: the document, what it finds, and what it writes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from cfsearch.cli.search import _Meter, _Output, _verdict, file_stems, first_readable
from cfsearch.engine.progress import Failure, Progress
from cfsearch.errors import CfsearchError, ConfigError, DataError, PartialFailure, ProviderError, RunError
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics import pareto
from cfsearch.schemas import schema

from .conftest import Call, Flags, Toys


def test_the_document_is_the_same_twice_but_for_times(
    call: Call, model: Path, face: Path, fast: Flags
) -> None:
    words = ("search", face, "--model", model, *fast, "--json")
    first, second = call(*words), call(*words)
    assert first.code == 0, first.err
    a, b = first.out.partition('  "times": '), second.out.partition('  "times": ')
    assert a[0] == b[0]
    assert set(first.document["times"]) == {"seconds", "networks"}


def test_the_model_may_stand_before_the_images(call: Call, model: Path, face: Path, fast: Flags) -> None:
    named, first = (
        call("search", *words, *fast, "--json").out.partition('  "times": ')[0]
        for words in ((face, "--model", model), (model, face))
    )
    assert named == first
    assert "Missing argument 'IMAGE...'" in call("search", model).error
    assert "there is no module 'nowhere_at_all'" in call("search", "nowhere_at_all:predict", face).error
    assert "model.pkl: there is no such model file" in call("search", "model.pkl", face).error
    assert "--model is missing" in call("search", face).error


def test_the_document_keeps_its_schema(call: Call, model: Path, face: Path, fast: Flags) -> None:
    answer = call("search", face, "--model", model, *fast, "--json")
    jsonschema.validate(answer.document, schema("search"))
    front = answer.document["fronts"][0]
    assert front["found"]
    assert front["source"] == "dark"
    assert front["name"] == "face.png"


def test_members_are_non_dominated_finite_and_verified_by_a_fresh_look(
    call: Call, model: Path, face: Path, fast: Flags, tmp_path: Path
) -> None:
    saved = tmp_path / "one.front"
    assert call("search", face, "--model", model, *fast, "--save", saved).code == 0
    front = ParetoFront.load(saved)
    assert bool(pareto.non_dominated(front.f).all())
    assert np.isfinite(front.f.numpy()).all()
    again = call("verify", saved, "--model", model, "--json").document
    assert again["members_still"] == again["members_then"] == int(front.verified.sum()) > 0


def test_a_strip_of_pictures_is_written(
    call: Call, model: Path, face: Path, fast: Flags, tmp_path: Path
) -> None:
    strip = tmp_path / "strip.png"
    assert call("search", face, "--model", model, *fast, "--strip", strip).code == 0
    with Image.open(strip) as picture:
        assert picture.height == 32 * 3 + 3 * 16 + 3 * 8  # thrice as large, three lines of caption, margins
        assert picture.width > 3 * 32


def test_several_images_are_saved_under_their_names(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    out = tmp_path / "fronts"
    assert call("search", *sorted(faces.iterdir())[:2], "--model", model, *fast, "--save", out).code == 0
    assert sorted(path.name for path in out.iterdir()) == ["face0.png.front", "face1.png.front"]


@pytest.mark.parametrize(("option", "ending"), [("--save", "front"), ("--strip", "png")])
def test_a_folder_of_images_needs_a_folder_of_fronts(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path, option: str, ending: str
) -> None:
    names = sorted(path.name for path in faces.iterdir())
    assert len(names) > 1
    out = tmp_path / "all"
    assert call("search", faces, "--model", model, *fast, option, out).code == 0
    assert sorted(path.name for path in out.iterdir()) == [f"{name}.{ending}" for name in names]
    one = tmp_path / f"one.{ending}"
    one.write_bytes(b"mine")
    result = call("search", faces, "--model", model, *fast, option, one)
    assert result.code == 2 and "inputs need a folder" in result.error and one.read_bytes() == b"mine"


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_table_fits_any_terminal(
    call: Call, model: Path, face: Path, fast: Flags, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    answer = call("search", face, "--model", model, *fast, "--rows", 3)
    assert answer.code == 0, answer.err
    assert max(map(len, answer.out.splitlines())) <= width
    text = " ".join(answer.out.split())
    assert "face.png: dark (p 0." in text
    for word in ("verified", "adversarial", "intensity", "Left out: "):
        assert word in text
    assert "\x1b[" not in answer.out


@pytest.mark.parametrize(
    ("labels", "end"),
    [
        (("low", "middle", "high"), "Softmax"),
        (tuple(f"class {i}" for i in range(10)), "Softmax"),
        (("dark", "bright"), "ArgMax"),
    ],
    ids=["3 classes", "10 classes", "labels only"],
)
def test_other_models_are_searched(
    call: Call, toys: Toys, fast: Flags, labels: tuple[str, ...], end: str
) -> None:
    model = toys.model(labels=labels, end=end, slope=40.0)
    answer = call("search", toys.picture(grey=True), "--model", model, *fast, "--votes", 4, "--json")
    assert answer.code == 0, answer.err
    document = answer.document
    jsonschema.validate(document, schema("search"))
    front = document["fronts"][0]
    assert front["found"]
    assert front["labels"] == list(labels)
    assert any("votes" in note for note in document["search"]["notes"]) == (end == "ArgMax")


def test_a_target_can_be_given(call: Call, toys: Toys, face: Path, fast: Flags) -> None:
    model = toys.model(labels=("low", "middle", "high"), end="Softmax", slope=40.0)
    front = call("search", face, "--model", model, *fast, "--target", "low", "--json").document["fronts"][0]
    assert front["target"] == "low"
    for member in front["members"]:
        if member["verified"]:
            assert max(member["probabilities"], key=member["probabilities"].get) == "low"


def test_images_need_not_be_square_nor_of_the_models_size(
    call: Call, toys: Toys, model: Path, fast: Flags
) -> None:
    face = toys.picture(size=(48, 40))
    answer = call("search", face, "--model", model, *fast, "--json")
    assert answer.code == 0, answer.err
    assert answer.document["fronts"][0]["found"]


def test_nothing_found_is_a_result_with_a_reason(call: Call, model: Path, face: Path, fast: Flags) -> None:
    answer = call("search", face, "--model", model, *fast, "--generator", "pixels:grid=2,reach=0.01")
    assert answer.code == 0, answer.err
    assert "Nothing found: " in answer.out
    assert "nearest miss" in answer.out


def test_flags_win_over_a_file(
    call: Call, toys: Toys, model: Path, face: Path, fast: Flags, tmp_path: Path
) -> None:
    config = tmp_path / "cfsearch.toml"
    config.write_text(
        f'[model]\npath = "{model}"\n[data]\nimages = "elsewhere"\n[search]\nseed = 3\nevaluations = 48\n'
        'population = 24\nobjectives = ["adversarial", "intensity"]\n[generator]\nsource = "pixels"\n'
    )
    document = call("search", face, "--config", config, "--seed", 4, "--json").document
    assert document["search"]["config"]["search"]["seed"] == 4
    assert document["fronts"][0]["evaluations"] == 48


def test_an_unreadable_image_among_good_ones_is_skipped_and_reported(
    call: Call, toys: Toys, model: Path, faces: Path, fast: Flags
) -> None:
    bad = toys.folder / "bad.png"
    bad.write_bytes(b"not a picture")
    good = sorted(faces.iterdir())[0]
    answer = call("search", bad, good, "--model", model, *fast, "--json")
    assert answer.code == 4
    assert [f["name"] for f in answer.document["failures"]] == ["bad.png"]
    assert len(answer.document["fronts"]) == 1
    assert "bad.png" in answer.error
    assert call("search", bad, good, "--model", model, *fast, "--allow-partial").code == 0


def test_a_name_cannot_move_the_cursor(call: Call, toys: Toys, model: Path, fast: Flags) -> None:
    face = toys.picture("\x1b[2Jface\u202e.png")
    answer = call("search", face, "--model", model, *fast)
    assert answer.code == 0, answer.err
    assert "\x1b" not in answer.out
    assert "\u202e" not in answer.out


def test_a_broken_output_folder_is_refused_before_the_first_query(
    call: Call, model: Path, face: Path, fast: Flags, tmp_path: Path
) -> None:
    answer = call("search", face, "--model", model, *fast, "--save", tmp_path / "no" / "x.front")
    assert answer.code == 2
    assert "there is no folder" in answer.error
    assert call("search", face, "--model", model, *fast, "--strip", tmp_path).code == 2


def test_the_same_image_twice_is_refused(call: Call, model: Path, face: Path, fast: Flags) -> None:
    answer = call("search", face, face, "--model", model, *fast)
    assert answer.code == 2
    assert "given twice" in answer.error


def test_one_name_in_two_folders_becomes_the_path(call: Call, toys: Toys, model: Path, fast: Flags) -> None:
    one, two = toys.picture("a/face.png", seed=1), toys.picture("b/face.png", seed=2)
    document = call("search", one, two, "--model", model, *fast, "--json").document
    assert [front["name"] for front in document["fronts"]] == [str(one), str(two)]


def test_a_model_of_another_size_is_resized_to(call: Call, toys: Toys, face: Path, fast: Flags) -> None:
    model = toys.model(size=24)
    answer = call("search", face, "--model", model, *fast, "--json")
    assert answer.code == 0, answer.err
    assert Path(answer.document["search"]["model"]["file"]).name == "model.onnx"


def test_limits_on_queries_and_time_reach_the_search(
    call: Call, model: Path, face: Path, fast: Flags, tmp_path: Path
) -> None:
    words = ("search", face, "--model", model, *fast, "--json")
    [limited] = call(*words, "--max-queries", 60).document["fronts"]
    assert limited["questions"] <= 60 and limited["evaluations"] < 60
    assert any(f"{limited['evaluations']} of 240 candidates" in text for text in limited["note"])
    answer = call(*words, "--max-time", 1e-9)
    [stopped] = answer.document["fronts"]
    assert 0 < stopped["evaluations"] < 240
    assert stopped["reason"] == "budget_exhausted"
    assert answer.document["search"]["config"]["search"]["max_time"] == 1e-9
    config = tmp_path / "limits.toml"
    config.write_text("[search]\nmax_queries = 60\n", encoding="utf-8")
    [same] = call(*words, "--config", config).document["fronts"]
    assert same["questions"] == limited["questions"]
    assert "max_queries" in call(*words, "--max-queries", 3).err


def test_the_line_counts_what_earlier_batches_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two batches of 2 images, 100 candidates each: 200 spent before, 50 of 200 now, in 10 s."""
    monkeypatch.setattr("cfsearch.cli.search.time.monotonic", lambda: 110.0)
    seen: list[tuple[str, float]] = []

    class Line:
        def update(self, text: str, *, share: float) -> None:
            seen.append((text, share))

    meter = _Meter(Line(), total=4, before=2, each=100, begin=100.0)
    meter(Progress(generation=3, generations=8, queries=2, flipped=1, evaluations=50))
    meter(Progress(generation=8, generations=8, queries=2, flipped=2, evaluations=300))
    assert seen == [
        ("generation 3/8, 1 of 2 flipped, 250 queries, 25/s, 6 s left", 0.625),
        ("generation 8/8, 2 of 2 flipped, 500 queries, 50/s, 0 s left", 1.0),
    ]


def found(*errors: CfsearchError, fronts: int = 0) -> Any:
    """What a search of images gave, as far as its exit code goes."""
    assembly = SimpleNamespace(config=SimpleNamespace(data=SimpleNamespace(noun="image")))
    failures = [Failure(f"{i}.png", error) for i, error in enumerate(errors)]
    return SimpleNamespace(failures=failures, fronts=[None] * fronts, assembly=assembly)


def test_what_ends_with_which_error() -> None:
    model, data = ProviderError("it raised."), DataError("no picture.")
    assert _verdict(found(fronts=2), allowed=False) is None
    one = _verdict(found(data, fronts=2), allowed=False)
    assert isinstance(one, PartialFailure)
    assert str(one) == "1 of 3 images failed; 0.png: no picture. Give --allow-partial to accept that."
    assert _verdict(found(data, fronts=2), allowed=True) is None
    assert isinstance(_verdict(found(model, fronts=1), allowed=False), PartialFailure)
    for allowed in (True, False):  # a model that never answered is no part of a result
        all_of_them = _verdict(found(model, model), allowed=allowed)
        assert isinstance(all_of_them, ProviderError)
        assert str(all_of_them) == "2 of 2 images failed; 0.png: it raised."
    assert isinstance(_verdict(found(data, data), allowed=False), PartialFailure)


def test_where_fronts_may_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert _Output.of("png", None, count=3).path is None
    assert _Output.of("png", tmp_path / "new.png", count=1).several is False
    assert _Output.of("png", tmp_path / "new", count=2).several is True
    assert _Output.of("png", tmp_path, count=2).several is True
    with pytest.raises(ConfigError, match="is a file; 2 inputs need a folder"):
        _Output.of("front", tmp_path / "file", count=2)
    with pytest.raises(RunError, match="it is a folder. Name a file in it"):
        _Output.of("front", tmp_path, count=1)
    with pytest.raises(RunError, match="there is no folder"):
        _Output.of("front", tmp_path / "none" / "x", count=1)


def test_a_folder_of_fronts_is_made_with_those_above_it(tmp_path: Path) -> None:
    _Output.of("front", tmp_path / "none" / "x", count=2).write([])
    assert (tmp_path / "none" / "x").is_dir()


def test_each_input_has_a_file_of_its_own_whatever_its_name() -> None:
    long = "\u00e9" * 150
    stems = file_stems(["a/b.png", "a_b.png", long, f"{long}x", "c"])
    assert stems[:2] == ["a_b.png", "a_b.png-2"]
    assert stems[-1] == "c"
    assert len(set(stems)) == 5
    assert all(len(f"{stem}.front".encode()) <= 255 for stem in stems)


def test_the_first_readable_image_stands_for_the_others(toys: Toys) -> None:
    broken = toys.folder / "broken.png"
    broken.write_bytes(b"no picture")
    good = toys.picture()
    assert first_readable([broken, good]) == good
    assert first_readable([broken, broken]) == first_readable([broken]) == broken


def test_fronts_go_into_a_folder_that_is_there_already(tmp_path: Path) -> None:
    folder = tmp_path / "fronts"
    folder.mkdir()
    output = _Output.of("front", folder, count=2)
    assert output.several
    output.write([])
    assert folder.is_dir()
