"""``cfsearch.explain``: the explanation of the command line, from whatever a program holds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from click.testing import CliRunner
from PIL import Image
from scipy.io import wavfile
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import Tensor, nn

import cfsearch
from cfsearch.cli import main
from cfsearch.errors import CapabilityError, ConfigError, DataError, PluginError
from cfsearch.explainers import Gradient, Wachter
from cfsearch.explainers.subjects import image_subject
from cfsearch.providers.live import live_provider


def document(*words: object) -> dict[str, Any]:
    done = CliRunner().invoke(main, [str(word) for word in (*words, "--json")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def net() -> nn.Module:
    generator = torch.Generator().manual_seed(3)
    layer = nn.Linear(3 * 8 * 8, 2)
    with torch.no_grad():
        layer.weight.copy_(0.3 * torch.randn(layer.weight.shape, generator=generator))
        layer.bias.zero_()
    return nn.Sequential(nn.Flatten(), layer).eval()


def pixels() -> Any:
    return np.random.default_rng(1).integers(60, 190, (8, 8, 3)).astype(np.uint8)


@pytest.fixture
def loans() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "age": rng.integers(20, 70, 80),
            "income": rng.integers(10, 90, 80) * 1000,
            "job": rng.choice(["clerk", "cook", "driver"], 80),
        }
    )


@pytest.fixture
def pipeline(loans: pd.DataFrame) -> Any:  # Any: scikit-learn's
    columns = make_column_transformer((OneHotEncoder(), ["job"]), (StandardScaler(), ["age", "income"]))
    paid = np.where(loans["income"] + 300 * loans["age"] > 65_000, "yes", "no")
    return make_pipeline(columns, LogisticRegression()).fit(loans, paid)


def test_a_torch_module_is_followed_as_its_subject_is() -> None:
    network, picture = net(), pixels()
    result = cfsearch.explain(network, picture, labels=["no", "yes"], scores="logits", size=8)
    x = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255.0
    provider = live_provider(
        network, shape=(3, 8, 8), labels=["no", "yes"], scores=cfsearch.ScoreKind.LOGITS,
        preprocessing={"size": (8, 8)},
    )  # fmt: skip
    direct = Gradient().explain(x, subject=image_subject(provider, (3, 8, 8)))
    assert isinstance(result.counterfactuals, Tensor)
    assert torch.equal(result.counterfactuals, direct.counterfactuals)  # type: ignore[arg-type] # it is there
    # the flip is the network's own
    with torch.no_grad():
        before, after = network(x).argmax(1), network(result.counterfactuals).argmax(1)
    assert result.flipped == ((before != after).item(),) == (True,)
    assert repr(result) == "ExplainResult('gradient': 1 of 1 pictures flipped)"
    change = result.counterfactuals - x
    [line] = result.changes.to_dict("records")
    assert line["largest"] == pytest.approx(float(change.abs().max()), rel=1e-5)
    assert line["rms"] == pytest.approx(float(change.square().mean().sqrt()), rel=1e-5)


@pytest.mark.parametrize("method", ["wachter", "gradual"])
def test_rows_are_explained_as_on_the_command_line(
    method: str, loans: pd.DataFrame, pipeline: Any, tmp_path: Path
) -> None:
    loans.to_csv(tmp_path / "loans.csv", index=False)
    skops.io.dump(pipeline, tmp_path / "model.skops")
    line = document(
        "explain", "--data", tmp_path / "loans.csv", "--row", 4, "--row", 9, "--model", tmp_path / "model.skops",
        "--method", method, "--immutable", "job", "--reference", tmp_path / "loans.csv", "--seed", 5,
    )  # fmt: skip
    settings: Any = {"rows": [4, 9], "immutable": ["job"], "reference": loans, "seed": 5}
    result = cfsearch.explain(tmp_path / "model.skops", loans, method=method, **settings)
    assert result.to_dict()["explanations"] == line["explanations"]
    assert result.queries == line["queries"]
    found = result.counterfactuals
    assert isinstance(found, pd.DataFrame) and list(found.columns) == list(loans.columns)
    # the pipeline itself judges what came back, and the rule held
    before, after = (pipeline.predict(frame) for frame in (loans.iloc[[4, 9]], found.astype(loans.dtypes)))
    assert result.flipped == tuple((before != after).tolist())
    assert result.flipped == (True, True)
    assert list(found["job"]) == list(loans["job"].iloc[[4, 9]])
    # every change is a line, with what stood there
    moved = result.changes.dropna(subset=["becomes"])
    for one in moved.to_dict("records"):
        place = result.names.index(one["input"])
        assert found[one["what"]].iloc[place] == one["becomes"]
        assert loans[one["what"]].iloc[[4, 9][place]] == one["is"]
    assert len(moved) == int((found.to_numpy() != loans.iloc[[4, 9]].to_numpy()).sum())


def test_a_pipeline_in_memory_is_the_one_in_a_file(
    loans: pd.DataFrame, pipeline: Any, tmp_path: Path
) -> None:
    skops.io.dump(pipeline, tmp_path / "model.skops")
    one, other = (
        cfsearch.explain(model, loans, rows=[7], method=Wachter(steps=50))
        for model in (pipeline, tmp_path / "model.skops")
    )
    assert one.to_dict()["explanations"] == other.to_dict()["explanations"]


def test_texts_and_recordings_have_shipped_models() -> None:
    result = cfsearch.explain(None, ["a moving, funny film", "dull and far too long"])
    assert result.flipped == (True, True)
    assert isinstance(result.counterfactuals, tuple)
    again = cfsearch.explain(None, list(result.counterfactuals))
    # what a text became is what the model says of it next time
    k = result.explanation.scores.argmax(1)  # type: ignore[union-attr] # it is there
    assert again.explanation.source.tolist() == k.tolist()
    assert result.to_dict()["explanations"] == document(
        "explain", "--text", "a moving, funny film", "--text", "dull and far too long"
    )["explanations"]  # fmt: skip


def test_what_it_shows(tmp_path: Path, loans: pd.DataFrame, pipeline: Any) -> None:
    shot = cfsearch.explain(net(), pixels(), labels=["no", "<yes>"], scores="logits", size=8)
    assert shot.report(tmp_path / "strip.png").is_file()
    with Image.open(tmp_path / "strip.png") as strip:
        assert strip.height >= 200
    page = shot.report(str(tmp_path / "page.html")).read_text("utf-8")
    assert "&lt;yes&gt;" in page and "<yes>" not in page
    html = shot._repr_html_()
    assert "data:image/png" in html and "<yes>" not in html and "&lt;yes&gt;" in html
    rows = cfsearch.explain(pipeline, loans, rows=[4], method="wachter")
    assert "<table" in rows._repr_html_() and rows.sentences[0] in rows._repr_html_()
    with pytest.raises(ConfigError, match="a row makes no picture"):
        rows.report(tmp_path / "rows.png")
    with pytest.raises(ConfigError, match=r"ending in \.html or \.png"):
        rows.report(tmp_path / "rows.pdf")


def test_a_method_that_only_attributes_gives_no_counterfactual() -> None:
    result = cfsearch.explain(net(), pixels(), labels=["no", "yes"], scores="logits", size=8, method="axai")
    assert (result.flipped, result.counterfactuals) == (None, None)
    assert repr(result) == "ExplainResult('axai': 1 picture attributed)"
    assert "rms" in result.changes.columns and result.changes["rms"].isna().all()


def test_what_cannot_be_explained_is_refused_in_a_sentence(loans: pd.DataFrame, pipeline: Any) -> None:
    def bright(x: Any) -> Any:
        return 1 / (1 + np.exp(-20 * (x.mean((1, 2, 3)) - 0.5)))

    with pytest.raises(CapabilityError, match="gives no gradients"):
        cfsearch.explain(bright, pixels(), labels=["no", "yes"])
    with pytest.raises(CapabilityError, match="'gradual' learns from reference inputs: give reference="):
        cfsearch.explain(net(), pixels(), labels=["no", "yes"], scores="logits", method="gradual")
    with pytest.raises(ConfigError, match="pictures take no `evaluations`.*belong to cfsearch.search"):
        cfsearch.explain(net(), pixels(), evaluations=100)
    with pytest.raises(ConfigError, match="rows take no `size`"):
        cfsearch.explain(pipeline, loans, size=8)
    with pytest.raises(ConfigError, match="texts take no `immutable`"):
        cfsearch.explain(None, "a good film", immutable=["good"])
    with pytest.raises(ConfigError, match="word embeddings.*cfsearch.search"):
        cfsearch.explain(lambda texts: [0.5 for _ in texts], "a good film")
    with pytest.raises(ConfigError, match="Did you mean|did you mean"):
        cfsearch.explain(net(), pixels(), method="gradeint")
    with pytest.raises(
        PluginError, match="expected the name, the class or an object of a cfsearch Explainer"
    ):
        cfsearch.explain(net(), pixels(), method=dict)  # type: ignore[arg-type] # on purpose


def test_the_first_picture_that_can_be_read_gives_the_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"a\.png"):
        cfsearch.explain(net(), tmp_path, labels=["no", "yes"])
    for name, level in (("b.png", 40), ("c.png", 200)):
        Image.new("RGB", (8, 8), (level, 30, 20)).save(tmp_path / name)
    result = cfsearch.explain(net(), tmp_path, labels=["no", "yes"])
    assert result.names == ("b.png", "c.png") and list(result.failures) == ["a.png"]


def test_recordings_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        wavfile.write(tmp_path / name / "x.wav", 8000, np.array([0.1, 0.5], np.float32))
    with pytest.raises(ConfigError, match=r"two recordings have the same name \('x\.wav'\)"):
        cfsearch.explain(None, [tmp_path / "one" / "x.wav", tmp_path / "two" / "x.wav"])
