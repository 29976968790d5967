"""Sound: bytes written by hand and by other programs, clips, and spectrograms of known sounds."""

import io
import os
import struct
import warnings
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal
from scipy.io import wavfile

from cfsearch.datasets.sound import (
    Decoded,
    Spectrogram,
    clip_of,
    decode_wav,
    holds_recordings,
    read_all,
    read_each,
    read_recordings,
    read_spoken_digits,
)
from cfsearch.errors import CfsearchWarning, ConfigError, DataError, ModelFileError, ShapeError

DATA = Path(os.environ.get("CFSEARCH_DATA", Path(__file__).parents[4] / "shared" / "data"))


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def header(*, code: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16) -> bytes:
    frame = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, bits))


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tone(hertz: float, *, rate: int = 8000, seconds: float = 1.0) -> NDArray[np.float64]:
    return np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize(
    ("bits", "data", "expected"),
    [
        (8, bytes([128, 255, 0, 64]), [0.0, 127 / 128, -1.0, -0.5]),
        (16, struct.pack("<3h", 0, 32767, -32768), [0.0, 32767 / 32768, -1.0]),
        (24, b"\0\0\0\xff\xff\x7f\0\0\x80\xff\xff\xff", [0.0, 1 - 2**-23, -1.0, -(2**-23)]),
        (32, struct.pack("<3i", 0, 2**30, -(2**31)), [0.0, 0.5, -1.0]),
    ],
)
def test_whole_numbers_written_by_hand(bits: int, data: bytes, expected: list[float]) -> None:
    read = decode_wav(riff(header(bits=bits), chunk(b"data", data)), name="a.wav")
    np.testing.assert_allclose(read.wave, expected, rtol=0, atol=1e-7)
    assert (read.rate, read.channels) == (8000, 1)


@pytest.mark.parametrize(("bits", "letter"), [(32, "f"), (64, "d")])
def test_floats_keep_their_value_and_channels_are_averaged(bits: int, letter: str) -> None:
    data = struct.pack(f"<4{letter}", 0.5, -0.25, 1.5, 0.5)
    read = decode_wav(riff(header(code=3, channels=2, bits=bits), chunk(b"data", data)), name="a.wav")
    assert read.wave.tolist() == [0.125, 1.0]


def test_an_extensible_header_strange_chunks_and_an_open_end() -> None:
    plain = struct.pack("<HHIIHH", 0xFFFE, 1, 16000, 32000, 2, 16)
    guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    extended = chunk(b"fmt ", plain + struct.pack("<HHI", 22, 16, 4) + guid)
    samples = struct.pack("<2h", 16384, -16384)
    streamed = b"data" + struct.pack("<I", 0xFFFFFFFF) + samples
    read = decode_wav(riff(chunk(b"LIST", b"odd"), extended, streamed), name="a.wav")
    assert read.wave.tolist() == [0.5, -0.5] and read.rate == 16000


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=50), st.integers(1, 3))
def test_what_the_standard_library_writes(values: list[int], channels: int) -> None:
    values = values * channels
    stream = io.BytesIO()
    with wave.open(stream, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(11025)
        out.writeframes(struct.pack(f"<{len(values)}h", *values))
    read = decode_wav(stream.getvalue(), name="a.wav")
    expected = np.array(values).reshape(-1, channels).mean(axis=1) / 32768
    np.testing.assert_allclose(read.wave, expected, atol=1e-7)
    assert (read.rate, read.channels) == (11025, channels)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_what_scipy_writes(dtype: type) -> None:
    draw = np.random.default_rng(0)
    values = draw.uniform(-0.9, 0.9, (40, 2))
    scale = {"uint8": 128, "int16": 2**15, "int32": 2**31}.get(np.dtype(dtype).name, 1)
    stored: NDArray[np.generic] = (values * scale + (128 if dtype is np.uint8 else 0)).astype(dtype)
    stream = io.BytesIO()
    wavfile.write(stream, 22050, stored)
    read = decode_wav(stream.getvalue(), name="a.wav")
    back = (stored.astype(np.float64) - (128 if dtype is np.uint8 else 0)) / scale
    np.testing.assert_allclose(read.wave, back.mean(axis=1), atol=1e-6)


def test_big_endian_files_are_read() -> None:
    body = (
        struct.pack(">4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
        + b"data"
        + struct.pack(">I2h", 4, 16384, -32768)
    )
    read = decode_wav(b"RIFX" + struct.pack(">I", 4 + len(body)) + b"WAVE" + body, name="a.wav")
    assert read.wave.tolist() == [0.5, -1.0] and read.rate == 8000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "RIFF"),
        (b"ID3\4" + b"\0" * 40, "got an MP3 file"),
        (b"\xff\xfb\x90\x44" + b"\0" * 40, "got an MP3 or AAC file"),
        (b"fLaC" + b"\0" * 40, "got a FLAC file"),
        (b"OggS" + b"\0" * 40, "got an Ogg file"),
        (b"\0\0\0 ftypM4A " + b"\0" * 40, "got an MPEG-4 file"),
        (b"FORM\0\0\0 AIFF" + b"\0" * 40, "got an AIFF file"),
        (b"\x89PNG" + b"\0" * 40, "begins with"),
        (riff(header()), "cannot be read"),
        (riff(chunk(b"data", b"\0\0")), "cannot be read"),
        (riff(header(), chunk(b"data", b"")), "expected samples"),
        (riff(header(), chunk(b"data", b"\0" * 40))[:-10], "cut off"),
        (riff(header(code=6, bits=8), chunk(b"data", b"\0\0")), "ALAW"),
        (riff(header(rate=0), chunk(b"data", b"\0\0")), "cannot be read|samples a second"),
        (riff(header(channels=0), chunk(b"data", b"\0\0")), "cannot be read"),
        (riff(chunk(b"fmt ", b"\1\0"), chunk(b"data", b"\0\0")), "cannot be read"),
        (riff(header(code=3, bits=32), chunk(b"data", struct.pack("<f", np.nan))), "finite"),
    ],
)
def test_damaged_files_are_refused_by_name(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        decode_wav(content, name="bad.wav")
    assert "bad.wav" in str(caught.value) and "\n" not in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for whole in (content, riff(header(), content), riff(chunk(b"fmt ", content), chunk(b"data", content))):
        try:
            read = decode_wav(whole, name="x")
        except DataError:
            continue
        assert np.isfinite(read.wave).all() and len(read.wave)


def test_clips_have_one_length_and_loudness() -> None:
    short = Decoded(np.array([0.1, -0.2], np.float32), 8000, 1)
    clip = clip_of(short, rate=8000, seconds=0.001)
    assert clip.tolist() == [0.5, -1.0, 0, 0, 0, 0, 0, 0]
    long = Decoded(np.array([0.25] * 8 + [1.0] * 8, np.float32), 8000, 1)
    assert clip_of(long, rate=8000, seconds=0.001).tolist() == [1.0] * 8
    silent = Decoded(np.zeros(4, np.float32), 8000, 1)
    assert clip_of(silent, rate=8000, seconds=0.001).tolist() == [0.0] * 8


@pytest.mark.parametrize("rate", [11025, 16000, 44100, 4000])
def test_resampling_keeps_a_tone(rate: int) -> None:
    heard = Decoded(tone(440, rate=rate, seconds=1.3).astype(np.float32), rate, 1)
    clip = clip_of(heard, rate=8000, seconds=1.0)
    inside = slice(400, 7600)
    np.testing.assert_allclose(clip[inside], tone(440)[inside], atol=0.03)


def test_resampling_drops_what_the_lower_rate_cannot_hold() -> None:
    both = tone(440, rate=16000) + tone(6000, rate=16000)  # 6 kHz would come back as 2 kHz
    clip = clip_of(Decoded(both.astype(np.float32), 16000, 1), rate=8000, seconds=1.0)
    spectrum = np.abs(np.fft.rfft(clip))
    assert spectrum[2000] < 0.01 * spectrum[440]


def test_folders_zips_and_single_files(tmp_path: Path) -> None:
    files = {"3_ann_7.wav": 0.5, "1_bob_0.wav": 0.25}
    for name, level in files.items():
        wavfile.write(tmp_path / name, 8000, np.full(100, level, np.float32))
    (tmp_path / "readme.txt").write_text("no sound")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in files:
            archive.write(tmp_path / name, f"recordings/{name}")
        archive.writestr("__MACOSX/._1_bob_0.wav", b"junk")
    digits = read_spoken_digits(tmp_path)
    assert digits.names == ("1_bob_0.wav", "3_ann_7.wav") and digits.digits.tolist() == [1, 3]
    assert digits.speakers == ("bob", "ann") and digits.test.tolist() == [True, False]
    zipped = read_spoken_digits(tmp_path / "all.zip")
    assert torch.equal(zipped.waves, digits.waves) and zipped.names[0] == "recordings/1_bob_0.wav"
    only = zipped.pick(zipped.spoken_by("ann"))
    assert only.names == ("recordings/3_ann_7.wav",) and only.indices.tolist() == [7]
    one = read_recordings(tmp_path / "3_ann_7.wav", seconds=0.01)
    assert one.waves.shape == (1, 80) and one.notes == ("cut from 0.01 s",)


def written(path: Path, level: float = 0.5) -> Path:
    wavfile.write(path, 8000, np.array([level, 0.5 - level, 0.5], np.float32))
    return path


def test_the_warning_names_what_somebody_gave_and_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    sound = written(folder / "a.wav")
    for name in ("._a.mp3", ".hidden.flac", "._a.wav"):
        (folder / name).write_bytes(b"x")
    for name in ("x.mp3", "y.wav"):
        (folder / name).mkdir()
    with zipfile.ZipFile(tmp_path / "given.zip", "w") as archive:
        archive.write(sound, "a.wav")
        archive.mkdir("x.mp3")
        for name in ("__MACOSX/._b.mp3", ".hidden.mp3", "x.mp3/a.txt"):
            archive.writestr(name, b"x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_each(folder).names == read_each(tmp_path / "given.zip").names == ("a.wav",)
    (folder / "b.mp3").write_bytes(b"x")
    with pytest.warns(CfsearchWarning, match=r"1 recording is left out, .* \('b\.mp3'\)"):
        read_each(folder)
    sound.unlink()
    with pytest.raises(DataError, match=r"no wave files .* 'b\.mp3' is none"):
        read_each(folder)


def test_of_two_recordings_under_one_name_in_a_zip_the_last_is_read(tmp_path: Path) -> None:
    first, last = (written(tmp_path / f"{level}.wav", level) for level in (0.1, 0.4))
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.write(first, "a.wav")
        archive.write(first, "b.wav")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.write(last, "a.wav")
    with pytest.warns(CfsearchWarning, match=r"1 entry under a name that others have \('a\.wav'\)"):
        found = read_all([tmp_path / "twice.zip"], rate=8000, seconds=0.001)
    assert found.names == ("a.wav", "b.wav") and len(found.waves) == len(found.notes) == 2
    assert torch.equal(found.waves[0], read_each(last, seconds=0.001).waves[0])
    assert torch.equal(found.waves[1], read_each(first, seconds=0.001).waves[0])


def test_several_paths_are_read_as_one_under_names_of_their_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    good, same, other = (written(tmp_path / name) for name in ("one/x.wav", "two/x.wav", "two/y.wav"))
    broken = tmp_path / "one" / "z.wav"
    broken.write_bytes(b"broken")
    found = read_all([good, broken, other], rate=8000, seconds=0.5)
    assert found.names == ("x.wav", "z.wav", "y.wav") and list(found.failures) == ["z.wav"]
    assert read_all([good, same], rate=8000, seconds=0.5, limit=1).names == ("x.wav",)
    with pytest.raises(ConfigError, match=r"two recordings have the same name \('x\.wav'\)"):
        read_all([good, broken, same], rate=8000, seconds=0.5)
    with pytest.raises(DataError, match=r"z\.wav"):
        read_all([broken], rate=8000, seconds=0.5)
    with pytest.raises(ConfigError, match="one recording or more, got none"):
        read_all([], rate=8000, seconds=0.5)


def test_what_cannot_be_listed_holds_no_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 no zip")
    with zipfile.ZipFile(tmp_path / "named.zip", "w") as archive:
        archive.writestr("aé.wav", b"x")
    content = (tmp_path / "named.zip").read_bytes()
    (tmp_path / "named.zip").write_bytes(content.replace("é".encode(), b"\xff\xfe"))
    folder = tmp_path / "folder"
    folder.mkdir()
    written(folder / "a.wav")
    assert holds_recordings(folder) and holds_recordings(folder / "a.wav")
    for path in (tmp_path / "broken.zip", tmp_path / "named.zip", tmp_path / "none", tmp_path / ("a" * 300)):
        assert not holds_recordings(path)

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refused)
    assert not holds_recordings(folder)
    with pytest.raises(DataError, match="must be a folder that can be listed, but Permission denied"):
        read_each(folder)


def test_what_is_not_there_or_has_another_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no wave files"):
        read_recordings(tmp_path)
    with pytest.raises(DataError, match="cannot be found"):
        read_recordings(tmp_path / "none.wav")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(DataError, match="undamaged zip"):
        read_recordings(tmp_path / "broken.zip")
    wavfile.write(tmp_path / "hello.wav", 8000, np.zeros(10, np.float32))
    with pytest.raises(DataError, match="7_jackson_32"):
        read_spoken_digits(tmp_path)


@pytest.mark.parametrize("mels", [0, 64])
@pytest.mark.parametrize("hertz", [250.0, 1000.0, 2500.0, 3500.0])
def test_a_tone_is_loudest_in_its_own_row(hertz: float, mels: int) -> None:
    form = Spectrogram(mels=mels)
    picture = form(torch.from_numpy(tone(hertz))[None].float())
    assert tuple(picture.shape) == (1, *form.shape)
    assert float(picture.min()) >= 0.0 and float(picture.max()) <= 1.0
    middle = picture[0, 0, :, 10:-10].mean(dim=1)
    nearest = int((form.frequencies - hertz).abs().argmin())
    assert abs(int(middle.argmax()) - nearest) <= (1 if mels else 0)


def test_a_click_stands_in_its_own_column() -> None:
    form = Spectrogram()
    clip = torch.zeros(1, form.samples)
    clip[0, 40 * form.hop] = 1.0
    assert int(form.power(clip)[0].sum(dim=0).argmax()) == 40
    assert float(form.times[40]) == pytest.approx(40 * 128 / 8000)


def test_power_is_what_scipy_and_parseval_say() -> None:
    form = Spectrogram(mels=0)
    draw = np.random.default_rng(1)
    clip = draw.uniform(-1, 1, form.samples)
    own = form.power(torch.from_numpy(clip)[None].float())[0].numpy()
    hann = signal.windows.hann(form.window, sym=False)
    other = signal.ShortTimeFFT(hann, hop=form.hop, fs=8000, mfft=form.size, fft_mode="onesided")
    bins = np.abs(other.stft(clip, p0=0, p1=own.shape[1])) ** 2 / (form.size * (hann**2).sum() / 4)
    np.testing.assert_allclose(own[:, 2:-2], bins[:, 2:-2], rtol=2e-3, atol=1e-6)
    frame = 20
    begin = frame * form.hop - form.window // 2
    energy = ((clip[begin : begin + form.window] * hann) ** 2).sum() * form.size
    twice = own[:, frame].copy()
    twice[1:-1] *= 2
    assert twice.sum() * form.size * (hann**2).sum() / 4 == pytest.approx(energy, rel=1e-4)


@pytest.mark.parametrize("mels", [0, 40])
def test_a_sine_of_full_scale_has_power_one(mels: int) -> None:
    form = Spectrogram(mels=mels)
    power = form.power(torch.from_numpy(tone(1234.5))[None].float())[0, :, 10:-10].sum(dim=0)
    torch.testing.assert_close(power, torch.ones_like(power), rtol=0.01, atol=0.0)


def test_decibels_and_silence() -> None:
    form = Spectrogram(mels=0, depth=60.0)
    loud = torch.from_numpy(tone(1000))[None].float()
    gap = (form(loud) - form(0.1 * loud))[0, 0, 64, 10:-10]
    torch.testing.assert_close(gap, torch.full_like(gap, 20.0 / 60.0), rtol=1e-3, atol=1e-3)
    assert float(form(torch.zeros(1, 8000)).abs().max()) == 0.0


def test_rows_do_not_see_each_other() -> None:
    form = Spectrogram()
    waves = torch.rand(3, 8000, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(form(waves)[1:2], form(waves[1:2]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hop": 0}, "positive"),
        ({"size": 128}, "at least `window`"),
        ({"mels": -1}, "`mels`"),
        ({"mels": 400}, "too many"),
        ({"depth": 0.0}, "`depth`"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Spectrogram(**settings)  # type: ignore[arg-type]  # a mixture of numbers


def test_clips_of_another_length_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(n, 8000\), got \(1, 100\)"):
        Spectrogram()(torch.zeros(1, 100))


def test_settings_travel_with_weights(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    form = Spectrogram(mels=40, hop=100)
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", {"spectrogram": form.to_json()})
    assert Spectrogram.of_file(tmp_path / "a.safetensors") == form
    save_file({"a": torch.zeros(1)}, tmp_path / "b.safetensors")
    with pytest.raises(ModelFileError, match="does not say"):
        Spectrogram.of_file(tmp_path / "b.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "c.safetensors", {"spectrogram": "[1"})
    with pytest.raises(ModelFileError, match="damaged"):
        Spectrogram.of_file(tmp_path / "c.safetensors")


@pytest.mark.data
def test_the_spoken_digits_are_read_whole() -> None:
    archive = DATA / "spoken_digits" / "spoken_digits.zip"
    if not archive.is_file():
        pytest.skip(f"no {archive}")
    digits = read_spoken_digits(archive)
    assert len(digits) == 600 and int(digits.test.sum()) == 120
    assert set(digits.speakers) == {"george", "jackson", "lucas", "nicolas", "theo", "yweweler"}
    assert digits.digits.bincount().tolist() == [60] * 10
    torch.testing.assert_close(digits.waves.abs().amax(dim=1), torch.ones(600))
