"""Texts and recordings from the command line, with the models that ship."""

import base64
import csv
import wave
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from PIL import Image

from cfsearch.contracts.modality import SOUNDS
from cfsearch.datasets.sound import read_recordings
from cfsearch.datasets.text import cut
from cfsearch.fronts.front import ParetoFront
from cfsearch.runs.directory import RunDirectory

from .conftest import Call

SMALL = ("--evaluations", 400, "--population", 40, "--threads", 1)
DULL = "A Dull, lifeless film with a weak script."
FUNNY = "a funny and moving film"


def sung(path: Path, *, tones: tuple[float, ...]) -> Path:
    """Half a second of tones that fade, as 16-bit PCM at 8 kHz."""
    t = np.arange(4000) / 8000
    samples = sum(np.sin(2 * np.pi * tone * t) for tone in tones) * np.exp(-6 * t) / len(tones)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((0.9 * 32767 * samples).astype("<i2").tobytes())
    return path


def shout(texts: list[str]) -> np.ndarray:
    """A model of strings: the probability that a text says film, movie or story."""
    hit = np.array([0.9 if any(w in t for w in ("film", "movie", "story")) else 0.2 for t in texts])
    return np.stack([1 - hit, hit], axis=1)


def test_a_text_is_searched_with_the_model_that_ships(call: Call, tmp_path: Path) -> None:
    found = call("search", "--text", DULL, *SMALL, "--save", tmp_path / "a.front", "--json")
    assert found.code == 0, found.err
    front = ParetoFront.load(tmp_path / "a.front")
    assert front.labels == ("negative", "positive") and front.source == 0
    assert front.found
    assert front.text == cut(DULL)
    picked = front.pick("sparsest")
    assert picked is not None and front.texts is not None and front.text is not None
    changed = [(a, b) for a, b in zip(front.text, front.texts[picked], strict=True) if a != b]
    assert front.words(picked) == tuple(f"{a.strip()} -> {b.strip()}" for a, b in changed)
    member = found.document["fronts"][0]["members"][picked]
    assert member["text"] == "".join(front.texts[picked])
    assert found.document["fronts"][0]["text"] == DULL
    shown = call("search", "--text", DULL, *SMALL)
    assert " -> " in shown.out and "negative" in shown.out


def test_texts_of_a_file_and_words_that_must_not_change(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f'stars,review\n1,"{DULL}"\n5,{FUNNY}\n')
    flags = ("--texts", tmp_path / "a.csv", "--column", "review", "--immutable", "dull,film")
    found = call("search", *flags, *SMALL, "--json")
    assert found.code == 0, found.err
    first, second = found.document["fronts"]
    assert (first["text"], second["text"]) == (DULL, FUNNY)
    assert {first["source"], second["source"]} == {"negative", "positive"}
    for front in (first, second):
        for member in front["members"]:
            assert not any(word.lower().startswith(("dull ->", "film ->")) for word in member["words"])


def test_a_function_on_strings_is_a_model(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "shouting.py"
    module.write_text(
        "import numpy as np\n\n\ndef predict(texts):\n    assert all(isinstance(t, str) for t in texts)\n"
        "    hit = np.array([0.9 if 'Film' in t else 0.2 for t in texts])\n"
        "    return np.stack([1 - hit, hit], axis=1)\n"
    )
    monkeypatch.chdir(tmp_path)
    found = call("search", "shouting:predict", "--text", "A Film  of our time", *SMALL, "--json")
    assert found.code == 0, found.err
    front = found.document["fronts"][0]
    assert front["source"] == "1" and front["text"] == "A Film  of our time"
    sparsest = front["members"][front["picks"]["sparsest"]]
    assert sparsest["text"].startswith("A ") and sparsest["text"].endswith(" time")
    assert "Film" not in sparsest["text"] and sparsest["text"][2:4] != "  "


def test_a_recording_is_searched_with_the_model_that_ships(call: Call, tmp_path: Path) -> None:
    path = sung(tmp_path / "a.wav", tones=(400.0, 1100.0))
    found = call(
        "search", path, *SMALL, "--save", tmp_path / "a.front", "--strip", tmp_path / "a.png", "--json"
    )
    assert found.code == 0, found.err
    front = ParetoFront.load(tmp_path / "a.front")
    assert front.name == "a.wav" and front.labels == tuple("0123456789")
    assert front.found and front.sound is not None and front.sounds is not None
    assert front.reconstruction_scores.tolist() == front.original_scores.tolist()
    picked = front.pick("closest")
    assert picked is not None
    assert all(word.endswith(" dB") for word in front.words(picked))
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_both_are_audited_and_shown(call: Call, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text(f"{DULL}\n{FUNNY}\n")
    found = call("audit", "--texts", tmp_path / "texts.txt", *SMALL, "--out", tmp_path / "t", "--json")
    assert found.code == 0, found.err
    assert found.document["inputs"] == "texts"
    assert found.document["generator"]["name"] == "words"
    assert found.document["changes"][0]["direction"] == "~"
    assert found.document["changes"][0]["variable"] in DULL.lower() + FUNNY
    with RunDirectory.read(tmp_path / "t") as run:
        fronts = [row.front for row in run.rows()]
    assert ["".join(front.text) for front in fronts if front and front.text] == [DULL, FUNNY]
    page = BeautifulSoup((tmp_path / "t" / "report.html").read_text(), "html.parser")
    shown = page.select("ol.texts > li")
    assert shown
    for item in shown:
        link = item.select_one("a")
        assert link is not None
        key, member = str(link["href"]).removeprefix("#front=").split("&member=")
        front = next(front for front in fronts if front and unquote(key) == f"model/{front.name}")
        assert front.text is not None and front.texts is not None
        line = item.select_one(".sentence")
        assert line is not None
        words = [one.get_text() for one in line.select("mark")]
        gone = [one.get_text() for one in line.select("del")]
        pairs = [
            (a.strip(), b.strip())
            for a, b in zip(front.text, front.texts[int(member)], strict=True)
            if a != b
        ]
        assert list(zip(gone, words, strict=True)) == pairs
        for one in line.select("del"):
            one.extract()
        assert " ".join(line.get_text().split()) == " ".join("".join(front.texts[int(member)]).split())

    folder = tmp_path / "sounds"
    folder.mkdir()
    sung(folder / "a.wav", tones=(400.0,))
    sung(folder / "b.wav", tones=(700.0, 1900.0))
    found = call("audit", "--sounds", folder, *SMALL, "--limit", 1, "--out", tmp_path / "s", "--json")
    assert found.code == 0, found.err
    assert found.document["inputs"] == "sounds"
    assert [one["name"] for one in found.document["instances"]] == ["a.wav"]
    with RunDirectory.read(tmp_path / "s") as run:
        heard = next(row.front for row in run.rows())
    assert heard is not None and heard.sound is not None
    page = BeautifulSoup((tmp_path / "s" / "report.html").read_text(), "html.parser")
    image = page.select_one(".thumb img")
    assert image is not None
    kind, _, content = str(image["src"]).partition(";base64,")
    assert kind == "data:image/png"
    drawn = torch.from_numpy(np.array(Image.open(BytesIO(base64.b64decode(content))).convert("RGB")))
    expected = SOUNDS.picture(heard.sound)
    assert expected is not None and torch.equal(drawn.permute(2, 0, 1), expected)
    assert "low tones at the bottom" in page.get_text()


@pytest.mark.parametrize("kind", ["text", "sound"])
def test_both_are_verified_again(call: Call, tmp_path: Path, kind: str) -> None:
    given = ("--text", DULL) if kind == "text" else (sung(tmp_path / "a.wav", tones=(400.0, 1100.0)),)
    call("search", *given, *SMALL, "--save", tmp_path / "a.front")
    model = "text_cnn_polarity" if kind == "text" else "audio_cnn_digits"
    found = call("verify", tmp_path / "a.front", "--model", model, "--json")
    assert found.code == 0, found.err
    front = ParetoFront.load(tmp_path / "a.front")
    assert front.found
    document = found.document
    assert (document["originals_kept"]["count"], document["picks_still"]["count"]) == (1, 1)
    assert document["members_still"] == int(front.verified.sum())


def test_reference_texts_make_a_critic_and_are_where_near_words_come_from(call: Call, tmp_path: Path) -> None:
    lines = [f"a {a} {b} with a {a} script" for a in ("dull", "bold", "calm") for b in ("film", "play")] * 40
    (tmp_path / "reference.txt").write_text("\n".join(lines))
    flags = ("--reference", tmp_path / "reference.txt", "--generator", "words:least=0.1,near=3")
    found = call("search", "--text", "a dull film", *flags, *SMALL, "--json")
    assert found.code == 0, found.err
    assert [o["name"] for o in found.document["fronts"][0]["objectives"]][-1] == "plausibility"
    words = {w for one in found.document["fronts"][0]["members"] for w in one["text"].split()}
    assert words <= {"a", "dull", "bold", "calm", "film", "play", "script", "with"}
    assert "240 reference texts" in found.err


def test_reference_recordings_make_a_critic(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "reference"
    folder.mkdir()
    for i in range(10):
        sung(folder / f"{i}.wav", tones=(300.0 + 50 * i,))
    found = call("search", folder / "3.wav", "--reference", folder, *SMALL, "--json")
    assert found.code == 0, found.err
    assert [o["name"] for o in found.document["fronts"][0]["objectives"]][-1] == "plausibility"
    assert "reference inputs" in found.document["search"]["hashes"]


def test_a_model_that_gives_labels_alone_is_queried_with_near_texts(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "curt.py").write_text(
        "seen = set()\n\n\ndef predict(texts):\n    seen.update(texts)\n"
        "    return ['film' if 'film' in t else 'other' for t in texts]\n"
    )
    (tmp_path / "curt.toml").write_text('labels = ["film", "other"]\nscores = "labels"\n')
    monkeypatch.chdir(tmp_path)
    flags = ("--text", "a dull film", "--sidecar", "curt.toml", "--votes", 4, *SMALL, "--json")
    found = call("search", "curt:predict", *flags)
    assert found.code == 0, found.err
    assert found.document["fronts"][0]["found"]
    import curt  # type: ignore[import-not-found]  # written above

    assert all(text.startswith("a ") for text in curt.seen)
    assert len(curt.seen) > 20


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--text", "a", "--texts", "b.txt"), "--text and --texts were both given"),
        (("--text", "a film", "--sounds", "b"), "both given; give one"),
        (("--text", " "), "one word or more"),
        (("--text", "a film", "--strip", "a.png"), "texts have none"),
        (("--text", "a film", "--generator", "rows"), "makes no texts"),
        (("--text", "a film", "--model", "model.onnx"), "is no model of texts"),
        (("--sounds", "none.wav"), "none.wav"),
    ],
)
def test_what_does_not_go_together_is_refused(call: Call, flags: tuple[str, ...], message: str) -> None:
    answer = call("search", *flags)
    assert answer.code in {2, 3, 4}
    assert message in answer.err


def test_doctor_asks_models_of_texts_and_recordings(call: Call, tmp_path: Path) -> None:
    said = call("doctor", "--text", DULL, "--text", FUNNY)
    assert said.code == 0, said.err
    assert "negative, positive" in said.out and "texts; queried with" in said.out and "texts/s" in said.out
    heard = call("doctor", "--sounds", sung(tmp_path / "7.wav", tones=(440.0, 900.0)), "--json")
    assert heard.code == 0, heard.err
    assert heard.document["model"]["labels"] == [str(i) for i in range(10)]
    assert heard.document["asked_with"][1:] == [1, 64, 63]
    assert "queried with 6 that were given" in call("doctor", "--sounds", tmp_path / "7.wav").out
    lacking = call("doctor")
    assert lacking.code == 2 and "MODEL" in lacking.err


def test_doctor_refuses_two_kinds_of_inputs(call: Call, tmp_path: Path) -> None:
    sung(tmp_path / "7.wav", tones=(440.0,))
    answer = call("doctor", "--text", DULL, "--sounds", tmp_path / "7.wav")
    assert answer.code == 2 and "--texts and --sounds were both given" in answer.error


@pytest.mark.parametrize("name", ["song.mp3", "song.FLAC", "song.ogg", "song.m4a"])
def test_recordings_of_other_formats_are_refused_as_such(call: Call, tmp_path: Path, name: str) -> None:
    heads = {"mp3": b"ID3", "flac": b"fLaC", "ogg": b"OggS", "m4a": b"\0\0\0 ftypM4A "}
    (tmp_path / name).write_bytes(heads[name.lower().rsplit(".", 1)[1]] + b"\0" * 40)
    answer = call("search", tmp_path / name)
    assert answer.code == 2
    assert "expected a RIFF wave file, got a" in answer.error and "ffmpeg" in answer.error


def test_a_folder_without_wave_files_names_what_is_there(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"ID3")
    answer = call("audit", "--sounds", tmp_path, "--out", tmp_path / "run")
    assert answer.code == 2 and "'a.mp3' is none: convert it" in answer.error


def test_a_surrogate_of_a_model_of_recordings(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "sounds"
    folder.mkdir()
    for i in range(6):
        sung(folder / f"{i}.wav", tones=(300.0 + 150 * i, 700.0 + 90 * i))
    out = tmp_path / "ears.safetensors"
    made = call(
        "distill", "--sounds", folder, "--queries", 40, "--trials", 0, "--out", out, "--threads", 1, "--json"
    )
    assert made.code == 0, made.err
    assert out.is_file() and made.document["queries"]["spent"] <= 40
    used = call("explain", folder / "0.wav", "--surrogate", out, "--method", "gradient", "--json")
    assert used.code == 0, used.err
    assert "got texts" in call("distill", "--texts", "t.txt", "--out", out).error
    refused = call("distill", "--text", DULL, "--out", out)
    assert refused.code == 2 and "no text halfway between two" in refused.error


def test_sounds_of_a_run_can_be_heard(call: Call, tmp_path: Path) -> None:
    folder, run, heard = tmp_path / "sounds", tmp_path / "run", tmp_path / "heard"
    folder.mkdir()
    for i in range(2):
        sung(folder / f"{i}.wav", tones=(440.0 + 200 * i, 900.0))
    assert call("audit", "--sounds", folder, "--out", run, *SMALL).code == 0
    done = call("export", run, "--format", "sounds", "--out", heard)
    assert done.code == 0, done.err
    table = (heard / "sounds.csv").read_text().splitlines()
    assert table[0] == "file,name,what,member,class,probability,verified,words,off_db"
    assert len(table) - 1 == len(list(heard.glob("*.wav"))) and f"{len(table) - 1} sounds in" in done.out
    original = read_recordings(heard / "00000-0-original.wav").waves[0]
    assert torch.allclose(original, read_recordings(folder / "0.wav").waves[0], atol=1e-3)
    for line in csv.DictReader(table):
        off = float(line["off_db"])
        assert off < 0.2 if line["what"] == "original" else 0.0 < off < 10.0
    again = call("export", run, "--format", "sounds", "--out", heard)
    assert again.code == 2 and "new or an empty folder" in again.error
    sung(folder / "1.wav", tones=(100.0,))
    other = call("export", run, "--format", "sounds", "--out", tmp_path / "other")
    assert other.code == 2 and "'1.wav' is another recording now" in other.error
    none = call("export", run, "--format", "pictures", "--out", tmp_path / "none")
    assert none.code == 2 and "has no pictures to export" in none.error


def silent(path: Path, *, channels: int = 1, seconds: float = 0.5) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * channels * round(8000 * seconds)))
    return path


def test_where_nothing_may_change_the_answer_says_so_and_blames_no_model(call: Call, tmp_path: Path) -> None:
    for inputs in (("--text", "?! ... 123"), ("--sounds", silent(tmp_path / "still.wav"))):
        found = call("search", *inputs, *SMALL)
        assert found.code == 0, found.err
        said = " ".join(found.out.split())
        assert "Nothing found: nothing_may_change: the rules allow no change" in said
        assert "or leave it out" in said and "1 member that does not flip" in said
        for other in ("doctor", "nearest miss", "exact", "1 members"):
            assert other not in said
        assert "encoding" not in found.err and "never changed" not in found.err


def test_what_was_done_to_a_recording_stands_in_its_notes(call: Call, tmp_path: Path) -> None:
    found = call("search", "--sounds", silent(tmp_path / "a.wav", channels=6, seconds=3.0), *SMALL, "--json")
    assert found.document["fronts"][0]["note"] == [
        "When it was read: 6 channels mixed to one; cut from 3.00 s."
    ]


def test_a_text_that_is_a_book_is_refused_before_anything_is_searched(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{FUNNY}\n{'good film ' * 5001}\n")
    refused = call("search", "--texts", tmp_path / "a.txt", *SMALL)
    assert refused.code == 2
    assert "at most 10,000 words and signs in a text, got 10,002 in 'good film" in refused.error
    assert "Shorten it" in refused.error


def test_a_run_of_texts_is_listed_as_texts(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{DULL}\n")
    assert call("audit", "--texts", tmp_path / "a.txt", *SMALL, "--out", tmp_path / "run").code == 0
    head = call("show", tmp_path / "run").out.split()
    assert head[0] == "text" and "image" not in head
