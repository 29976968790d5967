"""F25 of recordings: what cannot be read fails alone, with its reason, and the others are searched."""

import io
import json
import struct
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from scipy.io import wavfile

from cfsearch.assembly.images import read_input
from cfsearch.assembly.inputs import SoundInputs
from cfsearch.cli import main
from cfsearch.datasets.sound import Spectrogram, UnreadableRecordingError, read_each, read_recordings
from cfsearch.errors import CfsearchWarning

TIME = np.arange(4000) / 8000
TONE = 0.6 * np.sin(2 * np.pi * 440 * TIME)
FAST = ("--evaluations", 40, "--population", 20, "--seed", 7, "--threads", 1, "--no-isolation")


def written(rate: int = 8000, values: "np.ndarray | None" = None) -> bytes:
    stream = io.BytesIO()
    wavfile.write(stream, rate, (TONE * 20_000).astype(np.int16) if values is None else values)
    return stream.getvalue()


def of_24_bits() -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<i", int(v * 8e6) << 8)[1:] for v in TONE))
    return stream.getvalue()


BROKEN = {
    "cut.wav": (written()[:3000], "it is cut off"),
    "empty.wav": (b"", "expected a RIFF wave file"),
    "flac.wav": (b"fLaC" + b"\0" * 99, "got a FLAC file"),
    "nan.wav": (written(values=np.where(TIME > 0.2, np.nan, TONE).astype(np.float32)), "NaN or infinity"),
    "none.wav": (written(values=np.zeros(0, np.int16)), "expected samples, got none"),
    "slow.wav": (written(rate=1), "1,000 to 768,000 samples a second, got 1"),
    "text.wav": (b"these are words, and no wave at all", "expected a RIFF wave file"),
}
TAKEN = {
    "bits.wav": of_24_bits(),
    "channels.wav": written(values=np.stack([(TONE * 9000).astype(np.int16)] * 8, 1)),
    "fast.wav": written(rate=768_000),
    "plain.wav": written(),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heard").mkdir()
    for name, content in {**TAKEN, **{name: content for name, (content, _) in BROKEN.items()}}.items():
        (tmp_path / "heard" / name).write_bytes(content)
    return tmp_path


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def test_an_audit_searches_the_others_and_says_why(folder: Path) -> None:
    words = ("audit", "--sounds", "heard", *FAST, "--out", "run")
    done = call(*words)
    assert done.exit_code == 4, done.stderr
    assert f"{len(BROKEN)} of {len(BROKEN) + len(TAKEN)} recordings failed" in done.stderr
    document = json.loads((folder / "run" / "audit.json").read_text())
    rows = {row["name"]: row for row in document["instances"]}
    for name, (_, says) in BROKEN.items():
        assert (rows[name]["status"], rows[name]["reason"]) == ("failed", "unreadable")
        assert says in rows[name]["message"]
    assert all(rows[name]["status"] != "failed" for name in TAKEN)
    before = (folder / "run" / "audit.json").read_bytes()
    assert call(*words).exit_code == 4
    assert call(*words, "--allow-partial").exit_code == 0
    assert (
        json.loads(before)["instances"]
        == json.loads((folder / "run" / "audit.json").read_text())["instances"]
    )
    heard = call("export", "run", "--format", "sounds", "--out", "out", "--unchecked")
    assert heard.exit_code == 0 or "no sounds" in heard.stderr, heard.stderr
    assert call("check", "run").exit_code == 0


def test_a_search_fails_alone_for_what_cannot_be_read(folder: Path) -> None:
    done = call("search", "heard/plain.wav", "heard/text.wav", *FAST, "--json")
    assert done.exit_code == 4, done.stderr
    document = json.loads(done.stdout)
    assert [front["name"] for front in document["fronts"]] == ["plain.wav"]
    assert [(one["name"], one["code"]) for one in document["failures"]] == [("text.wav", "unreadable")]
    assert call("search", "heard/plain.wav", "heard/text.wav", *FAST, "--allow-partial").exit_code == 0


@pytest.mark.parametrize("name", BROKEN)
def test_where_none_can_be_read_its_reason_is_the_error(folder: Path, name: str) -> None:
    done = call("search", f"heard/{name}", *FAST)
    assert done.exit_code == 2
    assert BROKEN[name][1] in done.stderr
    with pytest.raises(UnreadableRecordingError, match="sound: "):
        read_recordings(folder / "heard" / name)


def test_a_damaged_member_of_a_zip_fails_alone(folder: Path) -> None:
    with zipfile.ZipFile("heard.zip", "w") as packed:
        packed.writestr("a.wav", written())
        packed.writestr("b.wav", written())
    content = bytearray(Path("heard.zip").read_bytes())
    content[100] ^= 0xFF  # a sample of the first one, whose checksum no longer fits
    Path("heard.zip").write_bytes(content)
    found = read_each(Path("heard.zip"))
    assert set(found.failures) == {"a.wav"}
    assert "cannot be unpacked" in str(found.failures["a.wav"])
    assert found.waves[0].abs().max() == 0
    torch.testing.assert_close(found.waves[1], read_each(folder / "heard" / "plain.wav").waves[0])


def test_models_are_queried_about_what_was_read_alone(folder: Path) -> None:
    inputs = SoundInputs(Spectrogram(), ["heard"])
    silence = inputs.form(torch.zeros(1, inputs.form.samples))[0]
    assert len(inputs.readable) == len(TAKEN)
    assert not any(torch.equal(probe, silence) for probe in inputs.probes)
    for record in inputs.records:
        if record.name in BROKEN:
            with pytest.raises(UnreadableRecordingError):
                read_input(record, inputs.form.shape)


def test_recordings_that_are_no_wave_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(written())
    for name in ("b.mp3", "c.FLAC", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.warns(
        CfsearchWarning, match=r"2 recordings are left out, .* \('b.mp3', 'c.FLAC'\)\. Convert"
    ):
        assert read_each(tmp_path).names == ("a.wav",)
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as packed:
        packed.writestr("a.wav", written())
        packed.writestr("e.mp3", b"x")
    with pytest.warns(CfsearchWarning, match=r"1 recording is left out, .* \('e.mp3'\)"):
        assert read_each(tmp_path / "d.zip").names == ("a.wav",)
