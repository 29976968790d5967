"""``cfsearch audit`` on photographs whose attributes are known: CelebA's layout, a folder with a table."""

import csv
import json
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from cfsearch.datasets import faces
from cfsearch.runs.directory import RunDirectory
from cfsearch.schemas import schema

from .conftest import Call, Flags, Toys

# fmt: off
NAMES = [
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs",
    "Big_Lips", "Big_Nose", "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows",
    "Chubby", "Double_Chin", "Eyeglasses", "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones",
    "Male", "Mouth_Slightly_Open", "Mustache", "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin",
    "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks", "Sideburns", "Smiling", "Straight_Hair",
    "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick", "Wearing_Necklace",
    "Wearing_Necktie", "Young",
]
# fmt: on
PARTS = [0, 2, 2, 1, 2, 2, 0, 2, 2]
TEST = [f"{i + 1:06d}.jpg" for i, part in enumerate(PARTS) if part == 2]


def people() -> faces.FaceSet:
    return faces.faces(len(PARTS), seed=3, size=64)


def signs(attributes: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rendered faces' thirteen labels among the official forty; the others are drawn."""
    values = np.random.default_rng(0).choice([-1, 1], (len(attributes), 40))
    for j, name in enumerate(faces.ATTRIBUTES):
        values[:, NAMES.index(name)] = np.where(attributes[:, j] > 0.5, 1, -1)
    return values


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    """CelebA's directory exactly as it is given out, with rendered faces in the aligned place."""
    root, data = tmp_path / "celeba", people()
    (root / "img_align_celeba").mkdir(parents=True)
    for i, pixels in enumerate(data.images):
        whole = Image.new("RGB", (178, 218), (90, 120, 60))
        face = Image.fromarray(pixels.transpose(1, 2, 0)).resize((148, 148), Image.Resampling.BICUBIC)
        whole.paste(face, (15, 40))
        whole.save(root / "img_align_celeba" / f"{i + 1:06d}.jpg", quality=95)
    rows = [
        f"{i + 1:06d}.jpg {' '.join(f'{v:2d}' for v in row)}" for i, row in enumerate(signs(data.attributes))
    ]
    (root / "list_attr_celeba.txt").write_text("\n".join([str(len(rows)), " ".join(NAMES) + " ", *rows, ""]))
    (root / "list_eval_partition.txt").write_text(
        "".join(f"{i + 1:06d}.jpg {part}\n" for i, part in enumerate(PARTS))
    )
    return root


@pytest.fixture
def gender(tmp_path: Path) -> Path:
    for name in ("gender_natural.onnx", "gender_natural.toml"):
        with as_file(files("cfsearch.models").joinpath(name)) as path:
            (tmp_path / name).write_bytes(path.read_bytes())
    return tmp_path / "gender_natural.onnx"


@pytest.fixture
def quick() -> Flags:
    return ("--generator", "faces64", "--evaluations", 40, "--population", 20, "--seed", 1, "--threads", 1)


def table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def origins(run: Path) -> dict[str, list[float]]:
    with RunDirectory.read(run) as opened:
        return {row.name: row.front.origin_values.tolist() for row in opened.rows() if row.front is not None}


def test_celeba_in_its_official_layout(
    call: Call, celeba: Path, gender: Path, quick: Flags, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    labels = celeba / "list_attr_celeba.txt"
    words = ("audit", "--images", celeba, "--attributes", labels, "--model", gender, *quick)
    answer = call(*words, "--by", "Male,Smiling", "--out", run, "--json")
    assert answer.code == 0, answer.err
    document = answer.document
    jsonschema.validate(document, schema("audit"))
    assert [row["name"] for row in document["instances"]] == TEST
    assert "the test part" in answer.err
    truth = people().attributes[[i for i, part in enumerate(PARTS) if part == 2]]
    assert list(origins(run).values()) == truth.tolist()
    with RunDirectory.read(run) as opened:
        front = next(iter(opened.rows())).front
    assert front is not None
    assert front.original is not None
    with Image.open(celeba / "img_align_celeba" / TEST[0]) as picture:
        cut = picture.crop((15, 40, 163, 188)).resize((64, 64), Image.Resampling.BILINEAR)
    assert torch.equal(front.original, torch.from_numpy(np.array(cut)).permute(2, 0, 1))
    assert {row["variable"] for row in document["effects"]} == set(faces.ATTRIBUTES)
    male = truth[:, faces.ATTRIBUTES.index("Male")] > 0.5
    by_male, by_smile = document["groups"]
    assert (by_male["attribute"], by_smile["attribute"]) == ("Male", "Smiling")
    for side, rows in (("with", male), ("without", ~male)):
        assert by_male[side]["instances"] == int(rows.sum()) < 10
        assert by_male[side]["decided"] is None  # of fewer than 10 there are no figures
    assert all(row["with"] is row["without"] is row["difference"] is None for row in by_male["effects"])
    assert all(p is None for entry in document["groups"] for p in entry["p"].values())
    assert "by Male, verified counterfactuals: with" in " ".join(call(*words, *BY, "--out", run).out.split())


BY = ("--by", "Male,Smiling")


def test_its_labels_need_no_flag_and_changed_ones_are_another_run(
    call: Call, celeba: Path, gender: Path, quick: Flags, tmp_path: Path
) -> None:
    words = (
        "audit",
        "--images",
        celeba,
        "--split",
        "valid",
        "--model",
        gender,
        *quick,
        "--out",
        tmp_path / "r",
    )
    assert call(*words).code == 0
    truth = people().attributes[PARTS.index(1)]
    assert origins(tmp_path / "r") == {"000004.jpg": truth.tolist()}
    labels = celeba / "list_attr_celeba.txt"
    lines = labels.read_text().split("\n")
    cells = lines[5].split()
    place = 1 + NAMES.index("Young")
    cells[place] = {"1": "-1", "-1": "1"}[cells[place]]
    labels.write_text("\n".join([*lines[:5], " ".join(cells), *lines[6:]]))
    answer = call(*words)
    assert answer.code == 2
    assert "attributes of the inputs" in answer.error


def test_a_folder_with_a_table_says_what_it_knows_and_the_rest_is_estimated(
    call: Call, celeba: Path, gender: Path, quick: Flags, tmp_path: Path
) -> None:
    photos, run = celeba / "img_align_celeba", tmp_path / "run"
    plain = tmp_path / "photos"
    plain.mkdir()
    for name in TEST[:2]:
        (photos / name).rename(plain / name)
    # Kaggle's form: image_id, signs, and rows of images that are not here
    rows = [[name, sign, -1] for name, sign in (*((name, 1) for name in TEST[:2]), ("elsewhere.jpg", -1))]
    labels = table(tmp_path / "labels.csv", ["image_id", "Eyeglasses", "Smiling"], rows)
    words = ("audit", "--images", plain, "--model", gender, *quick)
    answer = call(*words, "--attributes", labels, "--out", run, "--json")
    assert answer.code == 0, answer.err
    assert "taken from labels.csv" in answer.err
    assert "Young are estimated" in answer.err
    guess = tmp_path / "guess"
    assert call(*words, "--out", guess).code == 0
    at = faces.ATTRIBUTES.index("Eyeglasses")
    told, estimated = origins(run), origins(guess)
    for name in TEST[:2]:
        assert told[name][at] == 1.0
        assert estimated[name][at] < 0.5
        assert told[name][:at] + told[name][at + 1 :] == estimated[name][:at] + estimated[name][at + 1 :]
    plan = call("plan", *words[1:], "--attributes", labels, "--json")
    assert plan.code == 0, plan.err
    assert plan.document["images"] == 2


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["face0.png", 2]], "line 2 must have 1 or 0, 1 or -1, or true or false in column 'Male', got '2'"),
        ([["face0.png", 1, 1]], "line 2 must have 2 cells, got 3"),
        ([["other.png", 1]], "must have a row for each image, but 4 of 4 have none ('face0.png'"),
        ([["face0.png", 1], ["face1.png", 0]], "2 of 4 have none ('face2.png', 'face3.png')"),
        ([], "there is only the header"),
    ],
    ids=["value", "cells", "no row", "some rows", "empty"],
)
def test_a_wrong_table_is_one_clear_sentence(
    call: Call, toys: Toys, model: Path, fast: Flags, tmp_path: Path, rows: list[list[object]], said: str
) -> None:
    labels = table(tmp_path / "labels.csv", ["file", "Male"], rows)
    words = ("audit", "--images", toys.pictures(), "--model", model, *fast, "--attributes", labels)
    answer = call(*words, "--by", "Male", "--out", tmp_path / "run")
    assert answer.code == 2
    assert said in answer.error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--attributes", "absent.csv"), "'absent.csv' must be a table, but there is no such"),
        (("--attributes", "labels.csv"), "says nothing that generator 'pixels' can be given"),
        (
            ("--attributes", "labels.csv", "--by", "Mael"),
            "has no attribute 'Mael' among its 1. Did you mean 'Male'",
        ),
        (("--by", "Male"), "give a table of attributes with --attributes"),
        (("--split", "valid"), "is no CelebA in its official layout"),
    ],
    ids=["no file", "of no use", "unknown attribute", "no table", "no layout"],
)
def test_flags_that_do_not_fit_are_refused(
    call: Call,
    toys: Toys,
    model: Path,
    fast: Flags,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "labels.csv", ["file", "Male"], [[f"face{i}.png", 2 * (i % 2) - 1] for i in range(4)])
    answer = call("audit", "--images", toys.pictures(), "--model", model, *fast, *flags, "--out", "run")
    assert answer.code == 2
    assert said in answer.error


def test_groups_are_compared_without_a_generator_of_attributes(
    call: Call, toys: Toys, model: Path, fast: Flags, tmp_path: Path
) -> None:
    labels = table(tmp_path / "l.csv", ["file", "Male"], [[f"face{i}.png", int(i < 3)] for i in range(4)])
    words = ("audit", "--images", toys.pictures(), "--model", model, *fast, "--attributes", labels)
    answer = call(*words, "--by", "Male", "--out", tmp_path / "run", "--json")
    assert answer.code == 0, answer.err
    [group] = answer.document["groups"]
    assert (group["with"]["instances"], group["without"]["instances"]) == (3, 1)
    assert group["with"]["found_rate"] is group["without"]["found_rate"] is None  # fewer than 10
    assert group["effects"] == []
    assert group["difference"]["found_rate"] is None
    assert group["p"]["found_rate"] is None
    assert group["family"] == 0
    jsonschema.validate(json.loads((tmp_path / "run" / "audit.json").read_text()), schema("audit"))


def test_a_table_of_rows_has_no_photographs_to_label(
    call: Call, model: Path, fast: Flags, tmp_path: Path
) -> None:
    config = tmp_path / "cfsearch.toml"
    config.write_text(f'[model]\npath = "{model}"\n[data]\ntable = "a.csv"\nsplit = "test"\n')
    answer = call("audit", config, *fast, "--out", tmp_path / "run")
    assert answer.code == 2
    assert "`data.split` goes with `data.images`, not with a table" in answer.error
