"""The TOML beside a model: what it says, and one clear line for what it says wrong."""

from pathlib import Path

import pytest

from cfsearch.contracts.provider import ScoreKind
from cfsearch.errors import ConfigError
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.providers.sidecar import Sidecar, read_sidecar, sidecar_of

FULL = """\
name = "gender"
labels = ["female", "male"]
scores = "probabilities"
output = "prob"
max_batch = 64

[input]
size = [64, 48]
channels = 1
layout = "nhwc"
dtype = "float16"
range = "-1..1"
mean = 0.5
std = [0.25]
resize = "nearest"
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "model.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_everything_that_can_be_declared_is_read(tmp_path: Path) -> None:
    said = read_sidecar(written(tmp_path, FULL))
    assert (said.name, said.labels, said.kind) == ("gender", ("female", "male"), ScoreKind.PROBABILITIES)
    assert (said.output, said.max_batch) == ("prob", 64)
    assert said.input.over(Preprocessing()) == Preprocessing(
        size=(64, 48),
        channels=1,
        layout="nhwc",
        dtype="float16",
        range="-1..1",
        mean=(0.5,),
        std=(0.25,),
        resize="nearest",
    )


def test_one_number_is_a_square_and_a_byte_order_mark_is_no_trouble(tmp_path: Path) -> None:
    said = read_sidecar(written(tmp_path, b"\xef\xbb\xbf[input]\r\nsize = 32\r\n"))
    assert said.input.size == (32, 32)


def test_the_file_beside_the_model_is_found_and_a_given_one_goes_first(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    assert sidecar_of(model, given=None) == Sidecar()
    written(tmp_path, 'name = "beside"')
    (tmp_path / "other.toml").write_text('name = "given"')
    assert sidecar_of(model, given=None).name == "beside"
    assert sidecar_of(model, given=tmp_path / "other.toml").name == "given"


def test_whole_number_pixels_bring_their_range(tmp_path: Path) -> None:
    said = read_sidecar(written(tmp_path, '[input]\ndtype = "uint8"'))
    assert said.input.over(Preprocessing()).range == "0..255"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            'labels = ["a", "b"]\nlable = 1',
            r"model.toml, line 2: unknown setting 'lable'. Did you mean 'labels'\?",
        ),
        ("[input]\n# a word\nsiez = 3", r"line 3: unknown setting 'siez'. Did you mean 'size'\?"),
        ("[inputs]\nsize = 3", r"line 1: unknown setting 'inputs'. Did you mean 'input'\?"),
        (
            'scores = "probs"',
            r"line 1: `scores`: must be 'probabilities', 'logits' or 'labels', got 'probs'",
        ),
        ('labels = ["one"]', "line 1: `labels`: must be a list of 2 or more, not of 1, got"),
        ("labels = []", "line 1: `labels`: must be a list of 2 or more, not of 0, got"),
        (
            'labels = ["", "a"]',
            r"line 1: labels must be words, but that of output 0 is blank \(''\)\. Give it a name",
        ),
        ('labels = ["a", " \\n"]', "that of output 1 is blank"),
        (
            'labels = ["\u00e9", "e\\u0301"]',
            r"labels must differ, but '\\xe9' and 'e\\u0301' look alike\. Rename one",
        ),
        ('labels = ["a b", " a  b"]', "look alike"),
        ('labels = ["a", "b", "a"]', "line 1: labels must differ, but 'a' stands twice"),
        ("[input]\nsize = [0, 4]", "line 2: `input.size`"),
        ("max_batch = 0", "line 1: `max_batch`"),
        ("labels = 1 2", "is no valid TOML: .*line 1"),
        (b"\xff\xfe", "is not UTF-8 text"),
        ('[input]\ndtype = "float32"\nrange = "0..2"', "line 3: `input.range`"),
    ],
)
def test_one_clear_line_for_each_mistake(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        read_sidecar(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_given_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        read_sidecar(tmp_path / "none.toml")


def test_a_huge_file_is_not_parsed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it has more than 1,000,000 bytes"):
        read_sidecar(written(tmp_path, b"#" * 1_000_001))
