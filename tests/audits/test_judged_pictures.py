"""What is said of pictures that another tool changed, entry by entry, and how files are paired."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cfsearch.audits.judged_pictures import judge_pictures, read_pairs
from cfsearch.contracts.provider import Provider
from cfsearch.datasets.images import read_image
from cfsearch.errors import DataError
from cfsearch.metrics.ssim import ssim
from cfsearch.numerics.similarity import WINDOW

from .fronts import front_of


class Brightness(Provider):
    """White where the mean exceeds one half; its scores are log-odds of 10 times the distance to it."""

    name = "brightness"
    labels = ("black", "white")
    max_batch = 100

    @property
    def fingerprint(self) -> str:
        return "b"

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.flatten(1).mean(1)
        return torch.stack([10 * (0.5 - mean), 10 * (mean - 0.5)], dim=1)


def save(path: Path, value: int, *, size: int = 16, dots: dict[tuple[int, int], int] | None = None) -> None:
    path.parent.mkdir(exist_ok=True)
    pixels = np.full((size, size, 3), value, dtype=np.uint8)
    for (y, x), level in (dots or {}).items():
        pixels[y, x, 0] = level
    Image.fromarray(pixels).save(path)


def names(folder: Path, originals: Path | None = None) -> list[tuple[str, list[str]]]:
    return [
        (p.original.name, [c.name for c in p.counterfactuals])
        for p in read_pairs(folder, originals=originals)
    ]


def test_pairs_in_one_folder(tmp_path: Path) -> None:
    for name in ("b.cf2", "b.cf1", "b", "a.cf", "a", "a.cf_x", "c", "a.cfx.y"):
        save(tmp_path / f"{name}.png", 0)
    assert names(tmp_path) == [("a.png", ["a.cf.png", "a.cf_x.png"]), ("b.png", ["b.cf1.png", "b.cf2.png"])]


def test_pairs_in_two_folders(tmp_path: Path) -> None:
    for name in ("a", "b_1", "c", "d"):
        save(tmp_path / "o" / f"{name}.png", 0)
    for name in ("a-cf", "a_2", "a_cf-3", "a-", "b_1", "b_1_2", "c.cf1", "d.cf"):
        save(tmp_path / "c" / f"{name}.png", 0)
    assert names(tmp_path / "c", tmp_path / "o") == [
        ("a.png", ["a-.png", "a-cf.png", "a_2.png", "a_cf-3.png"]),
        ("b_1.png", ["b_1.png", "b_1_2.png"]),
        ("c.png", ["c.cf1.png"]),
        ("d.png", ["d.cf.png"]),
    ]


def test_pairs_as_an_export_names_them(tmp_path: Path) -> None:
    for name in (
        "0-a-original",
        "0-a-reconstruction",
        "0-a-knee",
        "0-a-closest-sparsest",
        "1-original",
        "2-a-original",
    ):
        save(tmp_path / f"{name}.png", 0)
    for name in ("0-a-b-original", "0-a-b-knee"):  # a name that begins with another's
        save(tmp_path / f"{name}.png", 0)
    assert names(tmp_path) == [
        ("0-a-b-original.png", ["0-a-b-knee.png"]),
        ("0-a-original.png", ["0-a-closest-sparsest.png", "0-a-knee.png"]),
    ]
    save(tmp_path / "3-knee.png", 0)
    with pytest.raises(
        DataError, match=r"judge: '3-knee\.png' belongs to no original: .* Name pairs NAME-original\.png"
    ):
        names(tmp_path)


def test_originals_of_an_export_alone_are_refused(tmp_path: Path) -> None:
    for name in ("0-a-original", "0-a-reconstruction"):
        save(tmp_path / f"{name}.png", 0)
    with pytest.raises(
        DataError, match=r"judge: no original of 1 has a counterfactual, such as '0-a-1\.png'\."
    ):
        names(tmp_path)


def test_what_has_no_original_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.cf1.png", 0)
    with pytest.raises(DataError) as caught:
        read_pairs(tmp_path)
    assert str(caught.value) == (
        "judge: the counterfactual 'a.cf1.png' has no original 'a.png'. Name pairs NAME.png and NAME.cf1.png, or give the "
        "folder of the originals with --images."
    )
    save(tmp_path / "x" / "a.png", 0)
    with pytest.raises(DataError) as caught:
        read_pairs(tmp_path / "x")
    assert str(caught.value) == (
        f"judge: {str(tmp_path / 'x')!r} holds no counterfactuals. Name pairs NAME.png and NAME.cf1.png, or give the folder "
        "of the originals with --images."
    )


def margin(mean: float, *, white: bool) -> Any:
    lead = math.tanh(10 * (mean - 0.5))
    return pytest.approx(lead if white else -lead, abs=2e-6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path / "a.png", 51)
    # one channel of one pixel by 2 levels (rounding), of two pixels by 3
    save(tmp_path / "a.cf1.png", 51, dots={(0, 0): 53, (0, 1): 54, (1, 0): 48})
    save(tmp_path / "a.cf2.png", 204)
    save(tmp_path / "b.png", 153)
    save(tmp_path / "b.cf.png", 51, size=8)
    save(tmp_path / "c.png", 255)
    save(tmp_path / "c.cf.png", 0)
    return tmp_path


def judged(folder: Path, **given: Any) -> tuple[list[dict[str, Any]], list[list[torch.Tensor]]]:
    return judge_pictures(
        Brightness(), read_pairs(folder), **{"size": None, "target": None, "fronts": {}, **given}
    )


def test_an_entry_as_a_whole(folder: Path) -> None:
    entries, pictures = judged(folder)
    a, near = (read_image_of(folder, name) for name in ("a.png", "a.cf1.png"))
    alike = round(float(ssim(a[None], near[None])[0]), 6)
    mean = float(near.mean())
    common = {"readable": True, "because": "", "changes": [], "broken": [], "dominated": None}
    assert entries[0] == {
        "name": "a.png",
        "source": "black",
        "original": {},
        "theirs": [
            {
                **common, "valid": False, "reached": "black", "lead": margin(mean, white=True),
                "pixels": round(2 / 256, 6), "l1": round((2 + 3 + 3) / 255 / 768, 6), "ssim": alike,
            },
            {
                **common, "valid": True, "reached": "white", "lead": margin(0.8, white=True), "pixels": 1.0,
                "l1": 0.6, "ssim": round(float(ssim(a[None], torch.full_like(a, 0.8)[None])[0]), 6),
            },
        ],
        "ours": None,
        "nearest": {
            "name": "b.png", "reached": "white", "pixels": 1.0, "l1": 0.4,
            "ssim": round(float(ssim(a[None], torch.full_like(a, 0.6)[None])[0]), 6),
        },
        "diversity": {"theirs": None, "ours": None},
    }  # fmt: skip
    assert entries[1]["theirs"] == [
        {
            "readable": False, "because": "b.cf.png: it has another size than its original", "valid": False,
            "broken": ["it has another size than its original"],
        }
    ]  # fmt: skip
    assert entries[1]["nearest"]["name"] == "a.png"
    assert [len(each) for each in pictures] == [3, 2, 2]
    assert torch.equal(pictures[0][0], a) and torch.equal(pictures[0][1], near)


def read_image_of(folder: Path, name: str) -> torch.Tensor:
    [found] = [
        p for pair in read_pairs(folder) for p in (pair.original, *pair.counterfactuals) if p.name == name
    ]
    return read_image(found).x


def test_a_wanted_class_and_another_size(folder: Path) -> None:
    entries, _ = judged(folder, target="white", size=8)
    assert [one["valid"] for entry in entries for one in entry["theirs"]] == [False, True, False, False]
    assert [one["readable"] for entry in entries for one in entry["theirs"]] == [True] * 4
    assert entries[2]["theirs"][0]["lead"] == margin(0.0, white=True)
    assert [entry["nearest"]["name"] for entry in entries] == ["b.png", "b.png", "c.png"]
    entries, _ = judged(folder, target="black")
    assert [entry["nearest"]["name"] for entry in entries] == ["a.png", "a.png", "a.png"]
    (folder / "a.png").unlink()
    for name in ("a.cf1.png", "a.cf2.png"):
        (folder / name).unlink()
    assert [entry["nearest"] for entry in judged(folder)[0]] == [None, None]


def test_small_pictures_have_no_structural_similarity(folder: Path) -> None:
    entries, _ = judged(folder, size=WINDOW)
    assert entries[0]["theirs"][1]["ssim"] is not None
    entries, _ = judged(folder, size=WINDOW - 1)
    assert entries[0]["theirs"][1]["ssim"] is None
    assert entries[0]["theirs"][1]["l1"] == 0.6


def test_ours_stand_beside_theirs(folder: Path) -> None:
    [first, *_] = read_pairs(folder)
    record = read_image(first.original)
    shape = (3, 16, 16)
    members = torch.stack([torch.full(shape, level, dtype=torch.uint8) for level in (204, 153, 0)])
    z = [[1.0, 0.0], [1.0, 1.0], [0.5, 0.0]]
    front = front_of(
        z, images=members, original=members[0], reconstruction=members[0], verified=[True, True, False]
    )
    entries, pictures = judged(folder, fronts={record.sha256: front})
    mine = entries[0]["ours"]
    assert [(one["valid"], one["l1"]) for one in mine] == [(True, 0.6), (True, 0.4)]
    assert mine[0] == entries[0]["theirs"][1]
    assert len(pictures[0]) == 4 and torch.allclose(pictures[0][3], torch.tensor(204 / 255))
    none = front_of(z, images=members, original=members[0], reconstruction=members[0], verified=[False] * 3)
    entries, pictures = judged(folder, fronts={record.sha256: none})
    assert entries[0]["ours"] == [] and len(pictures[0]) == 3
    entries, _ = judged(folder, fronts={record.sha256: front}, size=8)
    assert entries[0]["ours"] == [] or entries[0]["ours"] is None
