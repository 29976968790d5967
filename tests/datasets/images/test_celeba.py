"""CelebA's two layouts, on tiny data sets in exactly their format made of random pictures."""

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CelebA

from cfsearch.datasets.images import Crop
from cfsearch.datasets.images.celeba import CelebAHQSource, CelebASource, crop_for
from cfsearch.errors import ConfigError, DataError

# the official header: forty names in this order
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
N = 9
PARTS = [0, 0, 1, 0, 2, 0, 1, 2, 0]
SIGNS = np.random.default_rng(5).choice([-1, 1], (N, 40))
IDENTITIES = [2880, 2937, 2880, 5805, 9295, 4153, 9040, 6369, 3332]


def files() -> list[str]:
    return [f"{i + 1:06d}.jpg" for i in range(N)]


def jpeg(i: int, *, width: int, height: int) -> bytes:
    rng = np.random.default_rng(i)
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    stream = BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=95)
    return stream.getvalue()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("official")
    base = root / "celeba"
    (base / "img_align_celeba").mkdir(parents=True)
    for i, file in enumerate(files()):
        (base / "img_align_celeba" / file).write_bytes(jpeg(i, width=178, height=218))
    # the official files align the signs with spaces, and end the header with one
    rows = [f"{file} {' '.join(f'{v:2d}' for v in row)}" for file, row in zip(files(), SIGNS, strict=True)]
    (base / "list_attr_celeba.txt").write_text("\n".join([str(N), " ".join(NAMES) + " ", *rows, ""]))
    for name, values in (
        ("list_eval_partition.txt", PARTS),
        ("identity_CelebA.txt", IDENTITIES),
    ):
        lines = [f"{file} {value}\n" for file, value in zip(files(), values, strict=True)]
        (base / name).write_text("".join(lines))
    boxes = [f"{file}    95  71 226 313\n" for file in files()]
    (base / "list_bbox_celeba.txt").write_text(f"{N}\nimage_id x_1 y_1 width height\n" + "".join(boxes))
    marks = [f"{file} {' '.join(['69 109'] * 5)}\n" for file in files()]
    (base / "list_landmarks_align_celeba.txt").write_text(
        f"{N}\nlefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y "
        "rightmouth_x rightmouth_y\n" + "".join(marks)
    )
    return root


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_it_agrees_with_torchvision(root: Path, split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # the check of the official files' hashes is all that is left out
    monkeypatch.setattr(CelebA, "_check_integrity", lambda _: True)
    theirs = CelebA(str(root), split=split, target_type=["attr", "identity"], download=False)
    ours = CelebASource(root, split=split, attributes=NAMES)  # type: ignore[arg-type]  # a string to pytest
    assert theirs.attr_names[:40] == NAMES
    assert len(ours) == len(theirs)
    assert list(ours.names) == list(theirs.filename)
    assert [int(i) for i in ours.identities] == theirs.identity[:, 0].tolist()
    batch = ours.batch(range(len(ours)))
    assert torch.equal(batch.labels, theirs.attr[:, :40].float())
    for i in range(len(ours)):
        picture, _ = theirs[i]
        cut = picture.crop((3, 26, 173, 196)).resize((128, 128), Image.Resampling.BILINEAR)
        want = torch.from_numpy(np.array(cut)).permute(2, 0, 1).float() / 255.0
        assert torch.equal(batch.images[i], want)


def test_the_parts_hold_every_face_once(root: Path) -> None:
    parts = [CelebASource(root, split="train"), CelebASource(root, split="valid")]
    parts.append(CelebASource(root, split="test"))
    assert [len(part) for part in parts] == [5, 2, 2]
    assert sorted(name for part in parts for name in part.names) == files()


def test_the_default_is_the_thirteen_of_the_paper(root: Path) -> None:
    source = CelebASource(root)
    assert len(source.attributes) == 13
    assert (source.attributes[0], source.attributes[7], source.attributes[12]) == ("Bald", "Male", "Young")
    want = SIGNS[0, [NAMES.index(name) for name in source.attributes]] > 0
    assert source.batch([0]).labels[0].tolist() == want.astype(float).tolist()


@pytest.mark.parametrize(
    ("size", "crop"),
    [(64, Crop(top=40, left=15, side=148)), (128, Crop(26, 3, 170)), (256, Crop(26, 3, 170))],
)
def test_crops_are_those_that_attgan_is_trained_on(root: Path, size: int, crop: Crop) -> None:
    assert crop_for(size) == crop
    assert CelebASource(root, size=size, limit=1).batch([0]).images.shape == (1, 3, size, size)


def test_the_folder_itself_and_its_zip_serve_as_well(root: Path, tmp_path: Path) -> None:
    want = CelebASource(root, limit=2).batch([0, 1]).images
    assert torch.equal(CelebASource(root / "celeba", limit=2).batch([0, 1]).images, want)
    for path in (root / "celeba").glob("*.txt"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with zipfile.ZipFile(tmp_path / "img_align_celeba.zip", "w") as archive:
        for path in sorted((root / "celeba" / "img_align_celeba").iterdir()):
            archive.write(path, f"img_align_celeba/{path.name}")
    assert torch.equal(CelebASource(tmp_path, limit=2).batch([0, 1]).images, want)


def test_settings_are_checked(root: Path) -> None:
    with pytest.raises(ConfigError, match="must be one of train, valid, test, got 'val'"):
        CelebASource(root, split="val")  # type: ignore[arg-type]  # what a person may write
    with pytest.raises(ConfigError, match="`limit` must be 1 or more"):
        CelebASource(root, limit=0)
    with pytest.raises(DataError, match="no attribute 'Man'"):
        CelebASource(root, attributes=["Man"])


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("list_attr_celeba.txt", None, "must be a text file of the data set"),
        ("list_attr_celeba.txt", "", "line 2 must hold the names"),
        ("list_attr_celeba.txt", "1\nMale Young\n000001.jpg 1\n", "line 3 must have 2 values, got 1"),
        ("list_attr_celeba.txt", "1\nMale\n000001.jpg 0\n", "line 3 must have values -1 or 1, got '0'"),
        ("list_attr_celeba.txt", "2\nMale\n000001.jpg 1\n", "line 1 announces '2' faces, but 1 follow"),
        (
            "list_attr_celeba.txt",
            "2\nMale\n000001.jpg 1\n000001.jpg 1\n",
            "line 4 names '000001.jpg' again",
        ),
        ("list_eval_partition.txt", None, "must be a text file"),
        ("list_eval_partition.txt", "000001.jpg 0 0\n", "line 1 must have a file and a number"),
        ("list_eval_partition.txt", "000002.jpg 0\n", "must name every face, but '000001.jpg'"),
        ("list_eval_partition.txt", "000001.jpg 2\n", "part 'train' must have faces"),
        ("identity_CelebA.txt", "000002.jpg 0\n", "must name every face, but '000001.jpg'"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(
    tmp_path: Path, file: str, content: str | None, message: str
) -> None:
    (tmp_path / "img_align_celeba").mkdir()
    (tmp_path / "img_align_celeba" / "000001.jpg").write_bytes(jpeg(0, width=178, height=218))
    sound = {
        "list_attr_celeba.txt": "1\nMale\n000001.jpg 1\n",
        "list_eval_partition.txt": "000001.jpg 0\n",
        "identity_CelebA.txt": "000001.jpg 7\n",
    }
    for name, text in (sound | {file: content}).items():
        if text is not None:
            (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        assert CelebASource(tmp_path, attributes=["Male"]).identities


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    (tmp_path / "img_align_celeba").mkdir()
    (tmp_path / "img_align_celeba" / "000001.jpg").write_bytes(jpeg(0, width=128, height=128))
    (tmp_path / "list_attr_celeba.txt").write_text("1\nMale\n000001.jpg 1\n")
    (tmp_path / "list_eval_partition.txt").write_text("000001.jpg 0\n")
    source = CelebASource(tmp_path, attributes=["Male"])
    with pytest.raises(DataError, match=r"hold the crop of 170 x 170 .* but it is 128 x 128"):
        source.batch([0])


# --- CelebA-HQ ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hq")
    rows = [",".join(["file", "shard", "partition", "identity", *NAMES])]
    for shard in range(2):
        with zipfile.ZipFile(root / f"images-{shard}.zip", "w") as archive:
            for i in range(shard, N, 2):
                archive.writestr(f"{i:05d}.jpg", jpeg(i, width=128, height=128))
    for i in range(N):
        part = "val" if PARTS[i] == 1 else "train"
        cells = [f"{i:05d}.jpg", str(i % 2), part, str(IDENTITIES[i])]
        rows.append(",".join([*cells, *map(str, SIGNS[i])]))
    (root / "attributes.csv").write_text("\n".join(rows) + "\n")
    return root


def test_celeba_hq_is_read_from_its_zips(hq: Path) -> None:
    train, valid = CelebAHQSource(hq), CelebAHQSource(hq, split="valid", size=64)
    assert (len(train), len(valid)) == (7, 2)
    assert valid.names == ("00002.jpg", "00006.jpg")
    assert valid.identities == ("2880", "9040")
    got = valid.batch([1])
    picture = Image.open(BytesIO(jpeg(6, width=128, height=128)))
    want = torch.from_numpy(np.array(picture.resize((64, 64), Image.Resampling.BOX))).permute(2, 0, 1)
    assert torch.equal(got.images[0], want.float() / 255.0)
    labels = SIGNS[6, [NAMES.index(name) for name in valid.attributes]] > 0
    assert got.labels[0].tolist() == labels.astype(float).tolist()


def test_celeba_hq_has_limits_and_refusals(hq: Path, tmp_path: Path) -> None:
    assert CelebAHQSource(hq, limit=3).names == ("00000.jpg", "00001.jpg", "00003.jpg")
    with pytest.raises(DataError, match="part 'test' must have faces"):
        CelebAHQSource(hq, split="test")
    with pytest.raises(DataError, match=r"must hold images-0.zip"):
        CelebAHQSource(tmp_path)
