"""``cfsearch.audit``: a run directory as of the command line, and a result that shows itself."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import cfsearch
from cfsearch import AuditResult, Config, Fronts, RunDirectory
from cfsearch.errors import ConfigError, ModelFileError, RunError
from cfsearch.numerics.percent import percent
from cfsearch.testing import FakeGenerator, FakeProvider

FAST: Any = {"evaluations": 60, "population": 20}


def dark(x: Any) -> Any:
    return 1 / (1 + np.exp(30 * (x.mean((1, 2, 3)) - 0.5)))


def approve(frame: Any) -> Any:
    return 1 / (1 + np.exp(-(frame["income"] - 40000) / 5000))


def pictures() -> list[Image.Image]:
    return [Image.fromarray(np.full((12, 12, 3), value, dtype=np.uint8)) for value in (135, 150, 90)]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    place = tmp_path_factory.mktemp("audit") / "run"
    return cfsearch.audit(
        dark, pictures(), out=place, labels=["light", "dark"], scores="probabilities",
        generator="pixels:grid=2", seed=3, title="Greys", **FAST,
    )  # fmt: skip


def test_its_fronts_are_those_of_a_search_and_of_the_directory(result: AuditResult) -> None:
    fronts = result.fronts
    assert isinstance(fronts, Fronts)
    again = cfsearch.search(
        dark,
        pictures(),
        labels=["light", "dark"],
        scores="probabilities",
        generator="pixels:grid=2",
        seed=3,
        **FAST,
    )
    assert [front.to_bytes() for front in fronts] == [front.to_bytes() for front in again]
    with RunDirectory.read(result.path) as run:
        assert [row.front.digest for row in run.rows() if row.front] == [front.digest for front in fronts]


def test_the_directory_holds_the_inputs_the_settings_and_the_model_s_fingerprint(result: AuditResult) -> None:
    assert sorted(p.name for p in (result.path / "inputs" / "pictures").iterdir()) == [
        "0.png",
        "1.png",
        "2.png",
    ]
    manifest = json.loads((result.path / "manifest.json").read_text())
    assert manifest["hashes"]["model"].startswith("callable:")
    assert "<dark in memory>" in (result.path / "config.resolved.toml").read_text()
    assert result.document["title"] == "Greys"
    assert "cfsearch.audit(model, " in result.document["reproduce"]["python"]
    with pytest.raises(ModelFileError, match="'dark in memory' was an object of the program"):
        cfsearch.assemble(Config.read(result.path / "config.resolved.toml"))


def test_it_goes_on_and_is_read_again(result: AuditResult) -> None:
    seen: list[int] = []
    again = cfsearch.audit(
        dark, pictures(), out=str(result.path), labels=["light", "dark"], scores="probabilities",
        generator="pixels:grid=2", seed=3, title="Greys", watch=lambda p: seen.append(p.done), **FAST,
    )  # fmt: skip
    assert set(seen) == {3}
    assert cfsearch.open_audit(result.path).document == again.document
    with pytest.raises(RunError, match="no such directory"):
        cfsearch.open_audit(result.path / "nothing")


def test_it_shows_itself_in_one_line_and_as_html(result: AuditResult) -> None:
    count = result.document["counts"][0]
    assert repr(result) == (
        f"AuditResult({str(result.path)!r}: {count['found']} of {count['searched']} searched inputs have a verified "
        "counterfactual)"
    )
    html = result._repr_html_()
    first = result.document["changes"][0]
    assert f"<td>{first['direction']}{first['variable']}</td><td>{percent(first['rate']['value'])} (" in html
    assert "<script" not in html


def test_changes_and_effects_are_data_frames(result: AuditResult) -> None:
    changes = result.changes
    assert list(changes["variable"]) == [row["variable"] for row in result.document["changes"]]
    assert changes["rate"].tolist() == [row["rate"]["value"] for row in result.document["changes"]]
    assert len(result.effects) == 0
    assert list(result.effects.columns)[:3] == ["model", "variable", "protected"]
    assert list(result.groups.columns)[:4] == ["model", "attribute", "group", "searched"]


def test_the_page_goes_to_the_path_given(result: AuditResult, tmp_path: Path) -> None:
    page = result.report(tmp_path / "page.html")
    assert page == tmp_path / "page.html"
    assert "Greys" in page.read_text()
    assert result.report() == result.path / "report.html"


@pytest.mark.parametrize(("name", "begin"), [("a.svg", b"<?xml"), ("a.pdf", b"%PDF"), ("a.png", b"\x89PNG")])
def test_plots_are_saved_in_the_format_of_their_ending(
    result: AuditResult, tmp_path: Path, name: str, begin: bytes
) -> None:
    figure = result.plot(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begin)
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == [f"{r['direction']}{r['variable']}" for r in result.document["changes"]][: len(labels)]
    assert labels
    result.fronts[0].plot(tmp_path / name, y="intensity")
    assert (tmp_path / name).read_bytes().startswith(begin)


def test_a_front_is_drawn_where_its_members_are(result: AuditResult) -> None:
    front = result.fronts[0]
    axes = front.plot().axes[0]
    drawn = sorted(
        tuple(point) for part in axes.collections for point in np.asarray(part.get_offsets()).tolist()
    )
    wanted = sorted(tuple(point) for point in front.f[:, :2].double().tolist())
    assert np.allclose(drawn, wanted)
    filled = np.asarray(axes.collections[-1].get_offsets())
    assert len(filled) == int(front.verified.sum())
    assert axes.get_xlabel().startswith(front.objectives[0])
    with pytest.raises(ConfigError, match="no objective 'beauty'"):
        front.plot(x="beauty")
    with pytest.raises(ConfigError, match=r"plot: .*\.docx"):
        front.plot("a.docx")


def test_a_table_with_groups(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"income": rng.normal(36000, 6000, 30).round(1), "sex": rng.choice(["f", "m"], 30)})
    result = cfsearch.audit(
        approve,
        table,
        labels=["no", "yes"],
        scores="probabilities",
        by=["sex"],
        limit=6,
        **FAST,
    )
    groups = result.groups
    assert set(groups["group"]) == {"f", "m"}
    assert groups["searched"].sum() == 6
    assert [front.name for front in result.fronts] == [f"row {i}" for i in range(6)]


def test_protected_attributes_stand_first_among_the_effects() -> None:
    result = cfsearch.audit(
        dark, pictures(), labels=["light", "dark"], scores="probabilities", generator="faces64",
        protected=["Young", "Male"], evaluations=20, population=20,
    )  # fmt: skip
    effects = result.effects
    assert set(effects["variable"][:2]) == {"Young", "Male"}
    assert effects["protected"].tolist() == [True, True] + [False] * (len(effects) - 2)
    stored = {row["variable"]: row["estimate"]["value"] for row in result.document["effects"]}
    assert stored[effects["variable"][0]] == effects["value"][0]
    labels = [tick.get_text() for tick in result.plot().axes[0].get_yticklabels()]
    assert labels[:2] == list(effects["variable"][:2])


def test_a_config_says_everything_by_itself(result: AuditResult, tmp_path: Path) -> None:
    (tmp_path / "door_audit_models.py").write_text("def dark(x):\n    return 1 - x.mean((1, 2, 3))\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        config = Config.check(
            {
                "model": {"path": "door_audit_models:dark"},
                "data": {"images": str(result.path / "inputs" / "pictures")},
                "search": FAST,
            }
        )
        other = cfsearch.audit(config, out=tmp_path / "run")
    assert len(other.fronts) == 3
    with pytest.raises(ConfigError, match="but `data` came beside it"):
        cfsearch.audit(config, pictures())
    with pytest.raises(ConfigError, match="expected inputs after the model"):
        cfsearch.audit(dark)


def test_a_generator_of_ones_own_measures_effects() -> None:
    result = cfsearch.audit(
        dark,
        [np.full((16, 16, 3), 140, dtype=np.uint8)],
        labels=["light", "dark"],
        generator=FakeGenerator(),
        **FAST,
    )
    assert len(result.fronts) == 1


def test_an_audit_ends_as_soon_as_its_conditions_are_decided(tmp_path: Path) -> None:
    greys = [np.full((16, 16, 3), 90 + i, dtype=np.uint8) for i in range(40)]
    given: dict[str, Any] = {
        "generator": FakeGenerator(),
        "evaluations": 40,
        "population": 20,
        "batch_size": 4,
    }
    result = cfsearch.audit(
        FakeProvider(), greys, fail_if=["failed_rate > 50% at 90%"], until_decided=True, practical=0.4, out=tmp_path / "early",
        effects=False, **given,
    )  # fmt: skip
    document = result.document
    assert 0 < len(document["instances"]) == document["stopping"]["judged"] < 40
    assert document["stopping"]["stopped"] is True
    assert document["practical"] == 0.4
    with pytest.raises(ConfigError, match="without --until-decided"):
        cfsearch.audit(FakeProvider(), greys[:2], fail_if=["found_rate < 20%"], **given)
