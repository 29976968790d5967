"""Texts and recordings for a search: read, named, and recognised in Python."""

import wave
import zipfile
from pathlib import Path

import pytest
import torch

import cfsearch
from cfsearch.assembly.inputs import SoundInputs, open_texts, settings_of_inputs, spectrogram_of
from cfsearch.assembly.parts import Parts
from cfsearch.assembly.search import assemble
from cfsearch.config import Config
from cfsearch.contracts.modality import SOUNDS, TEXTS
from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.sound import Spectrogram
from cfsearch.errors import ConfigError, DataError
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.text import TextProvider


def written(path: Path, *, samples: int = 4000) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(i * i % 251 for i in range(2 * samples)))
    return path


def test_what_python_gives_is_recognised(tmp_path: Path) -> None:
    sound = written(tmp_path / "a.wav")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.write(sound, "a.wav")
    picture = tmp_path / "a picture.png"
    picture.touch()
    assert settings_of_inputs(["a dull film", "a fine play"]) == {"texts": ("a dull film", "a fine play")}
    assert settings_of_inputs("a dull film") == {"texts": ("a dull film",)}
    assert settings_of_inputs("word " * 5000) is not None
    longer_than_a_name = "word " * 80
    assert settings_of_inputs(longer_than_a_name) == {"texts": (longer_than_a_name,)}
    assert settings_of_inputs(str(sound)) == {"sounds": (str(sound),)}
    assert settings_of_inputs([sound, tmp_path]) == {"sounds": (str(sound), str(tmp_path))}
    assert settings_of_inputs(tmp_path / "a.zip") == {"sounds": (str(tmp_path / "a.zip"),)}
    for other in (
        str(picture),
        picture,
        "face.png",
        [],
        torch.zeros(3),
        ["a dull film", 3],
        ["a b", picture],
    ):
        assert settings_of_inputs(other) is None, other


def test_a_zip_that_cannot_be_read_is_refused_by_its_reader(tmp_path: Path) -> None:
    path = tmp_path / "broken.zip"
    path.write_bytes(b"PK\x03\x04 nothing")
    assert settings_of_inputs(path) is None
    with pytest.raises(DataError, match=r"broken\.zip' must be an undamaged zip"):
        cfsearch.search(torch.nn.Identity(), path)


def test_recordings_are_spectrograms_of_the_models_form(tmp_path: Path) -> None:
    form = spectrogram_of("audio_cnn_digits")
    assert form == Spectrogram()
    folder = tmp_path / "some"
    folder.mkdir()
    written(folder / "b.wav")
    written(folder / "a.wav", samples=9000)
    inputs = SoundInputs(form, [folder])
    assert inputs.modality is SOUNDS
    assert inputs.names == ("a.wav", "b.wav")
    assert inputs.records[0].notes == ("cut from 1.12 s.",) and inputs.records[1].notes == ()
    assert torch.equal(inputs.records[1].x, form(inputs.waves[1:])[0])
    assert inputs.extra == {"spectrogram": form.to_json()}
    assert SoundInputs(form, [folder], limit=1).names == ("a.wav",)
    with pytest.raises(ConfigError, match="two recordings have the same name"):
        SoundInputs(form, [folder, folder / "a.wav"])
    with pytest.raises(DataError, match="cannot be found"):
        SoundInputs(form, [tmp_path / "none.wav"])


def test_texts_of_a_table_are_named_by_their_rows_and_empty_ones_noted(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,id\na dull film,r0\n,r1\na fine play,r2\n")
    found = open_texts(Config.check({"data": {"texts": str(tmp_path / "t.csv")}}))
    assert list(found.texts) == ["a dull film", "a fine play"]
    assert found.notes[-1].startswith("t.csv: 1 row holds no text (the first on line 3)")
    codes = torch.zeros(2, 1)
    assert [one.name for one in found.encoded(codes, varied=codes).records] == ["text 0", "text 2"]


def test_a_function_or_network_in_memory_searches_texts() -> None:
    def predict(texts: list[str]) -> list[list[float]]:
        return [[0.9, 0.1] if "film" in text else [0.2, 0.8] for text in texts]

    config = Config.check(
        {"data": {"texts": ["a dull film"]}, "search": {"evaluations": 60, "population": 20}}
    )
    function = CallableProvider(
        predict,  # type: ignore[arg-type]  # adapted to strings by the assembly
        labels=("film", "other"),
        scores=ScoreKind.PROBABILITIES,
        name="mine",
    )
    for model, labels in ((function, ("film", "other")), (TextProvider.open(), ("negative", "positive"))):
        assembly = assemble(config, parts=Parts(model=model))
        assert assembly.modality is TEXTS and assembly.model.labels == labels
        records = assembly.records
        assert records is not None and [record.name for record in records] == ["text 0"]
        (front,) = assembly.search.run(torch.stack([record.x for record in records]), names=["text 0"])
        assert "".join(front.text or ()) == "a dull film"  # type: ignore[union-attr]  # a front, no failure
