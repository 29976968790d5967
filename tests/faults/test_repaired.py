"""What could not be read and was replaced is searched when the run goes on, and nothing else is."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cfsearch.cli import main
from tests.cli.conftest import Toys

from .test_recordings import FAST, written

KINDS = ("pictures", "recordings")


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(params=KINDS)
def audited(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Three inputs, of which ``given/b`` is damaged and ``good`` is what it should be; and the command on them."""
    monkeypatch.chdir(tmp_path)
    Path("given").mkdir()
    if request.param == "recordings":
        for name in ("a", "c"):
            Path(f"given/{name}.wav").write_bytes(written())
        Path("given/b.wav").write_bytes(b"RIFF")
        Path("good").write_bytes(written(rate=9000))
        return ["audit", "--sounds", "given", *FAST, "--out", "run"]
    toys = Toys(tmp_path)
    toys.model()
    for seed, name in enumerate("abc"):
        toys.picture(f"given/{name}.png", seed=seed)
    shutil.move("given/b.png", "good")
    Path("given/b.png").write_bytes(b"\x89PNG")
    words = ("--images", "given", "--model", "model.onnx", "--generator", "pixels:grid=2")
    return ["audit", *words, *FAST, "--out", "run"]


def instances() -> dict[str, dict[str, object]]:
    document = json.loads(Path("run/audit.json").read_text())
    return {row["name"]: row for row in document["instances"]}


def started() -> list[dict[str, object]]:
    events = [json.loads(line) for line in Path("run/events.jsonl").read_text().splitlines()]
    return [event["detail"] for event in events if event["event"] == "started"]


def test_what_was_repaired_is_searched_and_the_others_are_kept(audited: list[object]) -> None:
    assert call(*audited).exit_code == 4
    before = instances()
    [damaged] = Path("given").glob("b.*")
    assert before[damaged.name]["reason"] == "unreadable"
    assert call(*audited).exit_code == 4  # it is still damaged
    assert "replaced" not in started()[-1] and instances() == before
    shutil.copy("good", damaged)
    done = call(*audited)
    assert done.exit_code == 0, done.stderr
    after = instances()
    assert after[damaged.name]["status"] != "failed"
    assert {k: v for k, v in after.items() if k != damaged.name} == {
        k: v for k, v in before.items() if k != damaged.name
    }
    assert started()[-1]["replaced"] == [damaged.name]
    assert call(*audited).exit_code == 0
    assert "replaced" not in started()[-1] and instances() == after
    assert call("check", "run").exit_code == 0


@pytest.mark.parametrize("audited", ["recordings"], indirect=True)
def test_another_recording_in_place_of_one_that_was_searched_is_refused(audited: list[object]) -> None:
    assert call(*audited).exit_code == 4
    shutil.copy("good", "given/a.wav")
    shutil.copy("good", "given/b.wav")
    done = call(*audited)
    assert done.exit_code == 2 and "the sounds changed since it was started" in done.stderr
    checked = call("check", "run")
    assert checked.exit_code == 0, checked.output  # what was refused changed nothing
