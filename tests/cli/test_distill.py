"""``cfsearch distill``: flags reach the method, results go to stdout, places are checked first."""

import os
import signal
from pathlib import Path

import jsonschema
import pytest
import torch

from cfsearch.providers.opening import open_provider
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.schemas import schema

from .conftest import Call, Toys

QUICK = ("--trials", 0, "--network", "lenet5", "--threads", 1, "--minutes", 0.05)


@pytest.fixture
def photos(toys: Toys, tmp_path: Path) -> Path:
    for i in range(10):
        toys.picture(f"photos/{i}.png", seed=i, size=(32, 32))
    return tmp_path / "photos"


def test_images_give_a_surrogate_and_its_card(call: Call, toys: Toys, photos: Path, tmp_path: Path) -> None:
    model = toys.model(end="ArgMax")
    out = tmp_path / "mine.safetensors"
    words = ("distill", model, "--images", photos, "--queries", 60, *QUICK, "--out", out)
    answer = call(*words, "--json")
    assert answer.code == 0, answer.err
    document = answer.document
    jsonschema.validate(document, schema("distill"))
    assert document["queries"]["spent"] <= 60
    assert (
        answer.err.count("Its range of pixels is assumed, not declared") == 1
    )  # what the model's reader must know
    assert document["network"] == "lenet5"
    audited = open_provider(str(model))
    surrogate = SurrogateProvider.open(out, audited=audited)
    assert surrogate.learned_from
    assert surrogate.surrogate.shape == (3, 32, 32)
    assert surrogate.predict(torch.rand(2, 3, 32, 32)).shape == (2, 2)
    assert "## " not in (text := (tmp_path / "mine.md").read_text())
    assert "hard (the class alone)" in text
    # all answers are remembered
    again = call(*words)
    assert again.code == 0, again.err
    assert "0 queries" in again.out
    assert str(out) in again.out.replace("\n", "")


@pytest.mark.parametrize(("when", "written"), [(("querying", 0.0), False), (("training", 1.0), True)])
def test_a_signal_ends_it_at_the_next_step_and_what_is_done_is_written(
    call: Call,
    toys: Toys,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    when: tuple[str, float],
    written: bool,
) -> None:
    seen: list[str] = []

    def stop(_: object, text: str, *, share: float) -> None:
        seen.append(text)
        if (text, share) == when:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("cfsearch.cli._progress._Plain.update", stop)
    out = tmp_path / "mine.safetensors"
    answer = call("distill", toys.model(), "--images", photos, "--queries", 60, *QUICK, "--out", out)
    assert answer.code == 130
    assert "To go on: cfsearch distill" in answer.error
    assert out.exists() is written
    assert ("training" in seen) is written


def test_rows_of_a_table(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "people.csv"
    table.write_text(
        "income,town,answer\n"
        + "".join(f"{10 * i},{('north', 'south')[i % 2]},{('no', 'yes')[i > 8]}\n" for i in range(17))
    )
    (tmp_path / "bank.py").write_text(
        "import numpy as np\n"
        "def predict(frame):\n"
        "    p = (frame['income'] > 85).to_numpy(float)\n"
        "    return np.stack([1 - p, p], axis=1)\n"
    )
    sidecar = tmp_path / "bank.toml"
    sidecar.write_text('labels = ["no", "yes"]\nscores = "probabilities"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    out = tmp_path / "mine.safetensors"
    words = ("distill", "bank:predict", "--sidecar", sidecar, "--data", table, "--label", "answer")
    answer = call(*words, *QUICK[:2], "--network", "linear", *QUICK[4:], "--out", out, "--json")
    assert answer.code == 0, answer.err
    made = SurrogateProvider.open(out)
    assert made.encoding is not None
    assert made.encoding.schema.names == ("income", "town")
    assert made.labels == ("no", "yes")


def test_a_search_asks_the_surrogate_and_believes_the_model(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "people.csv"
    table.write_text(
        "income,debt,answer\n"
        + "".join(f"{7 * i % 100},{11 * i % 50},{('no', 'yes')[7 * i % 100 > 50]}\n" for i in range(60))
    )
    log = tmp_path / "asked.txt"
    (tmp_path / "lender.py").write_text(
        "import numpy as np\n"
        "def predict(frame):\n"
        f"    with open({str(log)!r}, 'a') as file: file.write(f'{{len(frame)}}\\n')\n"
        "    return (frame['income'] - frame['debt'] > 30).to_numpy(np.int64)\n"
    )
    sidecar = tmp_path / "lender.toml"
    sidecar.write_text('labels = ["no", "yes"]\nscores = "labels"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    out = tmp_path / "mine.safetensors"
    of = ("lender:predict", "--sidecar", sidecar, "--data", table, "--label", "answer")
    made = call("distill", *of, "--queries", 600, *QUICK[:2], "--network", "mlp_64_64", "--out", out)
    assert made.code == 0, made.err
    log.unlink()
    fast = ("--evaluations", 400, "--population", 40, "--threads", 1, "--seed", 1)
    found = call("search", *of, "--row", 2, "--target", "yes", "--surrogate", out, *fast, "--json")
    assert found.code == 0, found.err
    # the handshake and what is stored: no candidate of the 400 was asked of the model
    assert sum(map(int, log.read_text().split())) < 300
    [front] = found.document["fronts"]
    assert "surrogate" in found.document["search"]["hashes"]
    members = [m for m in front["members"] if m["verified"]]
    assert members
    row = dict(zip(front["variables"], front["origin_values"], strict=True))
    assert all((row | m["values"])["income"] - (row | m["values"])["debt"] > 30 for m in members)
    strange = call("search", *of, "--row", 2, "--surrogate", table, *fast)
    assert strange.code == 5  # a csv is no surrogate: what it holds is not read
    assert len(strange.err.strip().splitlines()) <= 3


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((), "one of them"),
        (("--images", "photos", "--data", "x.csv"), "one of them"),
        (("--images", "photos", "--preset", "bst"), "Did you mean 'best'?"),
        (("--images", "photos", "--network", "lenet"), "Did you mean 'lenet5'?"),
    ],
)
def test_bad_settings_are_refused(
    call: Call, toys: Toys, photos: Path, tmp_path: Path, words: tuple[object, ...], hint: str
) -> None:
    model = toys.model()
    before = sorted(tmp_path.rglob("*"))
    answer = call("distill", model, *words, "--out", tmp_path / "x.safetensors")
    assert answer.code == 2
    assert hint in answer.error
    assert sorted(tmp_path.rglob("*")) == before


def test_bad_places_are_refused(call: Call, toys: Toys, tmp_path: Path) -> None:
    words = ("distill", toys.model(), "--images", tmp_path)
    assert "expected FILE.safetensors" in call(*words, "--out", tmp_path / "x.onnx").error
    assert "there is no folder" in call(*words, "--out", tmp_path / "no" / "x.safetensors").error
