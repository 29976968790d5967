"""``cfsearch explain``: each kind of input, what it says, and every refusal."""

import html
import re
import wave
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image

import cfsearch
from cfsearch.contracts import network as networks
from cfsearch.datasets.tables import Encoding, read_schema
from cfsearch.providers.surrogate_file import Surrogate
from cfsearch.schemas import schema

from ..providers.onnx.test_columns import graph_of  # noqa: TID252  # tests are no package
from .conftest import Answer, Call, Toys
from .test_tables import Bank, bank, log_odds

__all__ = ["bank"]  # the fixture
METHODS = ("gradient", "wachter", "pgd", "axai")


def checked(answer: Answer) -> list[dict[str, object]]:
    assert answer.code == 0, answer.err
    jsonschema.validate(answer.document, schema("explain"))
    found: list[dict[str, object]] = answer.document["explanations"]
    return found


class TestImages:
    @pytest.mark.parametrize("method", METHODS)
    def test_the_document_says_what_the_model_says(
        self, call: Call, face: Path, model: Path, method: str
    ) -> None:
        words = ("--set", "eps_max=5000", "--set", "growth=1.1") if method == "gradient" else ()
        answer = call("explain", face, "--model", model, "--method", method, *words, "--threads", 1, "--json")
        [one] = checked(answer)
        assert one["source"] == "dark" and one["target"] is None
        if method == "axai":
            assert one["flipped"] is None and one["counterfactual"] is None
        else:
            assert one["flipped"] is True
            assert one["counterfactual"]["bright"] > 0.5  # type: ignore[index]  # JSON
            assert one["change"]["rms"] > 0  # type: ignore[index]  # JSON

    def test_a_strip_shows_original_counterfactual_and_heat(
        self, call: Call, face: Path, model: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "strip.png"
        answer = call("explain", face, "--model", model, "--method", "pgd", "--out", out)
        assert answer.code == 0, answer.err
        pixels = np.asarray(Image.open(out).convert("RGB")).astype(int)
        original = np.asarray(Image.open(face).convert("RGB")).astype(int)
        side = 32 * 7  # enlarged by a whole factor
        assert pixels.shape == (side, 3 * side + 8, 3)
        assert np.array_equal(pixels[::7, :side:7], original)
        changed = pixels[::7, side + 4 : 2 * side + 4 : 7]
        assert changed.mean() > original.mean()  # of a model of brightness
        assert "said" not in answer.out and "bright (p 0.5" in " ".join(answer.out.split())

    def test_a_change_that_is_lost_in_a_stored_picture_is_reported(
        self, call: Call, toys: Toys, model: Path
    ) -> None:
        # half of the pixels above the decision and half below, but for one: a hair is enough
        pixels = np.full((32, 32, 3), 127, dtype=np.uint8)
        pixels[::2] = 128
        pixels[0, 0] = 127
        face = toys.folder / "almost.png"
        Image.fromarray(pixels).save(face)
        words = ("explain", face, "--model", model, "--method", "pgd", "--threads", 1)
        [one] = checked(call(*words, "--json"))
        assert one["flipped"] is True and one["stored_flipped"] is False
        assert 0 < one["change"]["largest"] < 0.5 / 255  # type: ignore[index]  # JSON
        assert "Rounded to the 8 bits" in " ".join(call(*words).out.split())

    def test_the_page_holds_the_tiles_and_no_script(
        self, call: Call, toys: Toys, model: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "page.html"
        face = toys.picture("<b>x & y.png")
        answer = call("explain", face, "--model", model, "--out", out)
        assert answer.code == 0, answer.err
        page = BeautifulSoup(out.read_text(encoding="utf-8"), "html.parser")
        assert [f.get_text() for f in page.select("figcaption")] == [
            "original",
            "counterfactual",
            "what counts",
        ]
        assert all(str(image["src"]).startswith("data:image/png;base64,") for image in page.select("img"))
        assert page.select("script") == [] and page.select("b") == []
        assert "<b>x & y.png" in page.select("section h2")[0].get_text()
        policy = page.select_one("meta[http-equiv]")
        assert policy is not None and "default-src 'none'" in str(policy["content"])

    def test_the_command_and_python_end_alike(
        self, call: Call, face: Path, model: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "page.html"
        words = ("--method", "pgd", "--target", "bright", "--seed", 3, "--threads", 1, "--out", out)
        document = call("explain", face, "--model", model, *words, "--json").document
        result = cfsearch.explain(model, face, method="pgd", target="bright", seed=3)
        found = result.to_dict()
        assert {key: document[key] for key in found} == found
        page = out.read_text(encoding="utf-8")
        command = html.unescape(re.findall(r"<pre[^>]*><code>(.*?)</code>", page, re.DOTALL)[0])
        again = result.report(tmp_path / "again.html", command=command)
        assert again.read_text(encoding="utf-8") == page
        assert command not in result.report(tmp_path / "bare.html").read_text(encoding="utf-8")

    def test_a_picture_that_is_damaged_fails_alone(
        self, call: Call, toys: Toys, face: Path, model: Path, tmp_path: Path
    ) -> None:
        bad, out = toys.folder / "bad.png", tmp_path / "page.html"
        bad.write_bytes(face.read_bytes()[:60])
        words = ("--model", model, "--method", "pgd", "--threads", 1, "--json")
        [alone] = checked(call("explain", face, *words))
        for order in ((bad, face), (face, bad)):  # the first gives the size where nothing else does
            answer = call("explain", *order, *words, "--out", out)
            assert answer.code == 4 and "1 of 2 inputs failed; bad.png: " in answer.err
            document = answer.document
            jsonschema.validate(document, schema("explain"))
            assert document["explanations"] == [alone]
            [failed] = document["failures"]
            assert failed["name"] == "bad.png" and failed["code"] == "unreadable"
            assert "bad.png is not explained" in out.read_text(encoding="utf-8")
        assert call("explain", bad, face, *words, "--allow-partial").code == 0
        answer = call("explain", bad, *words)
        assert answer.code == 2 and "bad.png" in answer.err

    def test_an_input_that_the_model_fails_for_fails_alone(self, call: Call, toys: Toys) -> None:
        model = toys.model("some.onnx", brightest=0.2)  # answers NaN below
        good, dark = toys.picture("good.png"), toys.picture("dark.png", mean=0.02)
        words = ("--model", model, "--method", "pgd", "--target", "bright", "--threads", 1, "--json")
        [alone] = checked(call("explain", good, *words))
        answer = call("explain", good, dark, *words)
        assert answer.code == 4, answer.err
        [one] = answer.document["explanations"]
        assert (one["name"], one["flipped"]) == (alone["name"], True)
        assert one["counterfactual"] == alone["counterfactual"]
        [failed] = answer.document["failures"]
        assert failed["name"] == "dark.png"
        result = cfsearch.explain(model, [good, dark], method="pgd", target="bright")
        assert result.names == ("good.png",) and list(result.failures) == ["dark.png"]
        assert result.queries == answer.document["queries"]

    def test_a_method_that_learns_names_the_flag_that_it_lacks(
        self, call: Call, face: Path, model: Path
    ) -> None:
        answer = call("explain", face, "--model", model, "--method", "gradual", "--threads", 1)
        assert (
            answer.code == 2
            and "--method gradual learns from reference inputs: give --reference" in answer.error
        )

    def test_settings_reach_the_method(self, call: Call, face: Path, model: Path) -> None:
        answer = call(
            *("explain", face, "--model", model, "--set", "step=0.5", "--set", "eps_max=0.5", "--json"),
            *("--set", "features=3"),
        )
        [one] = checked(answer)
        assert answer.document["settings"] == {"step": 0.5, "eps_max": 0.5, "features": 3}
        assert len(one["strongest"]) <= 3  # type: ignore[arg-type]  # JSON


class TestRows:
    def rows(self, bank: Bank, *words: object) -> Answer:
        return bank.call("explain", "--data", bank.data, "--model", bank.model, "--threads", 1, *words)

    @pytest.mark.parametrize("method", METHODS)
    def test_changes_are_in_the_units_of_the_columns(self, bank: Bank, method: str) -> None:
        bank.schema()
        [one] = checked(self.rows(bank, "--row", 0, "--method", method, "--target", "approve", "--json"))
        assert one["source"] == "refuse" and one["target"] == "approve"
        assert set(one["attributions"]) == {"hours", "income", "job"}  # type: ignore[call-overload]  # JSON
        if method == "axai":
            return
        cells = {"income": "2500.00", "job": "clerk", "hours": "36"}
        for column, change in one["changes"].items():  # type: ignore[attr-defined]  # JSON
            assert str(change["from"]) in (cells[column], "2500.0")
            cells[column] = str(change["to"])
        assert one["changes"] and (log_odds(cells) > 0) == one["flipped"]
        p = one["counterfactual"]["approve"]  # type: ignore[index]  # JSON
        assert p == pytest.approx(1 / (1 + np.exp(-log_odds(cells))), abs=1e-4)

    def test_immutable_columns_stay(self, bank: Bank) -> None:
        bank.schema()
        [one] = checked(
            self.rows(bank, "--row", 0, "--immutable", "income,job", "--set", "eps_max=1000", "--json")
        )
        assert set(one["changes"]) <= {"hours"} and one["flipped"] is True  # type: ignore[call-overload]  # JSON

    def test_named_columns_alone_change(self, bank: Bank) -> None:
        bank.schema()
        words = ("--row", 0, "--set", "names=income", "--set", "eps_max=1000", "--json")
        [one] = checked(self.rows(bank, *words))
        assert set(one["changes"]) == {"income"} and one["chosen"] == ["income"]  # type: ignore[call-overload]  # JSON

    def test_people_see_a_table(self, bank: Bank) -> None:
        bank.schema()
        answer = self.rows(bank, "--row", 0, "--target", "approve")
        text = " ".join(answer.out.split())
        assert "column is becomes" in text and "income 2500.00" in text
        assert "Of the counterfactual the model says approve (p 0." in text

    def test_a_model_without_gradients_is_refused_where_rows_are_too_few_to_distil_one(
        self, bank: Bank
    ) -> None:
        bank.schema()
        words = ("explain", "--data", bank.data, "--row", 0, "--model", "bank_model:predict", "--sidecar")
        answer = bank.call(*words, bank.folder / "function.toml")
        assert answer.code != 0 and "gives no gradients" in answer.error
        assert "--surrogate" in answer.error

    @pytest.mark.parametrize(
        ("method", "reference"), [("gradient", False), ("gradual", True)], ids=["gradient", "gradual"]
    )
    def test_a_model_of_one_input_a_column_is_explained_through_a_surrogate_made_on_the_way(
        self, call: Call, tmp_path: Path, method: str, reference: bool
    ) -> None:
        draw = np.random.default_rng(0)
        table, file = tmp_path / "people.csv", graph_of(tmp_path / "credit.onnx")
        pd.DataFrame(
            {
                "job": draw.choice(["clerk", "cook", "pilot"], 150),
                "pay (EUR)": draw.integers(1000, 6000, 150) + 0.5,
                "home": draw.choice([True, False], 150),
                "hours-per-week": draw.integers(20, 60, 150),
                "grade": draw.choice([10, 20, 40], 150),
            }
        ).to_csv(table, index=False)
        words = ("--reference", table) if reference else ()
        rest = ("--seed", 1, "--threads", 1, "--json")
        answer = call(
            "explain", "--data", table, "--row", 3, "--model", file, "--method", method, *words, *rest
        )
        [one] = checked(answer)
        assert one["flipped"] is True and answer.document["surrogate"] is True
        notes = " ".join(answer.document["notes"])
        assert (
            "credit gives no gradients, which this method follows: a surrogate was distilled on the way"
            in notes
        )
        assert f"of rows of {'--reference' if reference else 'the table'}." in notes
        spent = int(re.findall(r"from ([\d,]+) queries", notes)[0].replace(",", ""))
        assert 1000 < spent <= 5000 and spent < answer.document["queries"] < spent + 1000
        assert re.search(r"Both gave the same class for [\d.]+\u202f% of inputs", notes)

    def test_a_surrogate_is_followed_and_the_model_has_the_last_word(self, bank: Bank) -> None:
        described = read_schema(bank.schema())
        encoding = Encoding.ranged(described)
        network = networks.build("linear", shape=(encoding.width,), classes=2)
        with torch.no_grad():  # it knows the direction, not the place of the decision
            for parameter in network.parameters():
                parameter.zero_()
            at = dict(zip(described.names, encoding.slots, strict=True))
            weight = next(p for p in network.parameters() if p.ndim == 2)
            weight[1, at["income"][0]] = 1.0
        made = Surrogate("linear", network, (encoding.width,), ("refuse", "approve"), encoding, "another", {})
        file = made.save(bank.folder / "surrogate.safetensors")
        answer = bank.call(
            *("explain", "--data", bank.data, "--row", 0, "--model", "bank_model:predict", "--sidecar"),
            *(bank.folder / "function.toml", "--surrogate", file, "--set", "eps_max=1000", "--json"),
        )
        [one] = checked(answer)
        assert answer.document["surrogate"] is True
        assert any("distilled from another model" in text for text in answer.document["notes"])
        assert set(one["changes"]) == {"income"} and one["flipped"] is True  # type: ignore[call-overload]  # JSON
        assert float(one["changes"]["income"]["to"]) > 3500.0  # type: ignore[index]  # JSON

    def test_a_method_that_learns_wants_a_reference(self, bank: Bank) -> None:
        bank.schema()
        answer = self.rows(bank, "--row", 0, "--method", "gradual")
        assert answer.code != 0 and "give --reference" in answer.error

    def test_a_row_makes_no_picture(self, bank: Bank, tmp_path: Path) -> None:
        bank.schema()
        answer = self.rows(bank, "--row", 0, "--out", tmp_path / "a.png")
        assert answer.code != 0 and "a row makes no picture" in answer.error


class TestTexts:
    def test_words_are_marked(self, call: Call, tmp_path: Path) -> None:
        out, text = tmp_path / "t.html", "a <b>dull</b> film"
        answer = call("explain", "--text", text, "--method", "pgd", "--out", out, "--threads", 1, "--json")
        [one] = checked(answer)
        words = [word["word"] for word in one["words"]]  # type: ignore[attr-defined]  # JSON
        assert words == ["a", "<", "b", ">", "dull", "</", "b", ">", "film"]
        page = BeautifulSoup(out.read_text(encoding="utf-8"), "html.parser")
        assert page.select("b") == []
        replaced = [word for word in one["words"] if word["becomes"]]  # type: ignore[attr-defined]  # JSON
        assert [m.get_text() for m in page.select("mark ins")] == [word["becomes"] for word in replaced]

    def test_attributions_mark_words_without_replacing_them(self, call: Call) -> None:
        [one] = checked(
            call("explain", "--text", "the plot is terrible", "--method", "axai", "--threads", 1, "--json")
        )
        assert all(word["becomes"] is None for word in one["words"])  # type: ignore[attr-defined]  # JSON
        assert any(word["chosen"] for word in one["words"])  # type: ignore[attr-defined]  # JSON


def beep(path: Path, *, hertz: float) -> Path:
    wave_ = 0.6 * np.sin(2 * np.pi * hertz * np.arange(4000) / 8000.0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((wave_ * 32767).astype("<i2").tobytes())
    return path


class TestSounds:
    def test_a_recording_is_shown_as_a_spectrogram(self, call: Call, tmp_path: Path) -> None:
        from importlib.resources import files

        model = str(files("cfsearch.models") / "audio_cnn_digits.safetensors")
        tone, out = beep(tmp_path / "tone.wav", hertz=440.0), tmp_path / "tone.png"
        answer = call(
            *("explain", tone, "--model", model, "--arch", "cfsearch.models.audio_cnn:build", "--out", out),
            *("--method", "pgd", "--threads", 1, "--json"),
        )
        [one] = checked(answer)
        assert answer.document["kind"] == "sound" and one["layout"] == [64, 63]
        pixels = torch.from_numpy(np.asarray(Image.open(out).convert("L")).copy()).float()
        first = pixels[::3, : 63 * 3 : 3]
        # the tone is a line in the lower half, in the first half of the second
        assert int(first[:, 10].argmax()) > 32
        assert float(first[:, 10].max()) > float(first[:, 55].max()) + 50


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "MODEL"), "give images, wave files, --text"),
        (("FACE", "--text", "x"), "one of them"),
        (("FACE",), "--model is missing"),
        (("FACE", "--model", "MODEL", "--method", "gradeint"), "gradient"),
        (("FACE", "--model", "MODEL", "--set", "steps"), "expected SETTING=VALUE"),
        (("FACE", "--model", "MODEL", "--set", "stepp=1"), "Did you mean `step`"),
        (("FACE", "--model", "MODEL", "--out", "x.pdf"), "ending in .html or .png"),
        (("FACE", "--model", "MODEL", "--out", "nowhere/x.png"), "there is no folder"),
        (("FACE", "--model", "MODEL", "--target", "grey"), "unknown class 'grey'"),
        (("FACE", "--model", "MODEL", "--method", "emap"), "give --reference"),
    ],
)
def test_what_cannot_be_is_reported_in_one_line(
    call: Call, face: Path, model: Path, words: tuple[str, ...], message: str
) -> None:
    named = {"FACE": str(face), "MODEL": str(model)}
    answer = call("explain", *(named.get(word, word) for word in words))
    assert answer.code != 0
    assert message in answer.error
