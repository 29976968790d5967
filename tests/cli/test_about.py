"""What the user says of an audit stands in audit.json and on the page, and changes no result."""

import json
from pathlib import Path

import jsonschema

from cfsearch.runs.directory import RunDirectory
from cfsearch.schemas import schema

from .conftest import Call, Toys

SETTINGS = """\
[model]
path = "{model}"
[data]
images = "{images}"
[generator]
source = "pixels"
settings = {{grid = 2}}
[search]
solver = "random"
objectives = ["adversarial", "intensity"]
evaluations = 40
population = 20
[about]
who = "Office of audits <b>"
why = "a test"
data_date = 2026-03-01
remarks = "{remarks}"
"""


def test_about_stands_on_the_page_and_may_be_changed_later(call: Call, toys: Toys, tmp_path: Path) -> None:
    model, images = toys.model(), toys.pictures()
    path, run = tmp_path / "audit.toml", tmp_path / "run"
    path.write_text(SETTINGS.format(model=model, images=images, remarks="first"))
    answer = call("audit", path, "--out", run, "--json")
    assert answer.code == 0, answer.err
    jsonschema.validate(answer.document, schema("audit"))
    assert answer.document["about"] == {
        "who": "Office of audits <b>",
        "why": "a test",
        "data_date": "2026-03-01",
        "remarks": "first",
    }
    page = (run / "report.html").read_text()
    assert "Office of audits &lt;b&gt;" in page
    assert "Date of the data" in page
    assert "Source of the data" not in page
    with RunDirectory.read(run) as opened:
        before = {row.name: row.front.digest for row in opened.rows() if row.front is not None}
    path.write_text(SETTINGS.format(model=model, images=images, remarks="second"))
    again = call("audit", path, "--out", run, "--json")
    assert again.code == 0, again.err
    assert again.document["about"]["remarks"] == "second"
    with RunDirectory.read(run) as opened:
        assert {row.name: row.front.digest for row in opened.rows() if row.front is not None} == before
    assert call("check", run).code == 0
    document = json.loads((run / "audit.json").read_text())
    document["about"]["who"] = "somebody else"
    (run / "audit.json").write_text(json.dumps(document))
    found = call("check", run, "--json").document["findings"]
    assert any("what [about] says" in finding["message"] for finding in found)


def test_init_leaves_room_for_it(call: Call, tmp_path: Path) -> None:
    assert call("init", tmp_path / "own.toml").code == 0
    text = (tmp_path / "own.toml").read_text()
    assert "[about]" in text
    assert all(f'{name} = ""' in text for name in ("who", "why", "data_source", "data_date", "remarks"))


def test_an_unknown_line_is_refused_with_its_place(call: Call, toys: Toys, tmp_path: Path) -> None:
    path = tmp_path / "audit.toml"
    settings = SETTINGS.format(model=toys.model(), images=toys.pictures(count=1), remarks="x")
    path.write_text(settings + 'whoo = "me"\n')
    refused = call("audit", path, "--out", tmp_path / "run")
    assert refused.code == 2
    assert "unknown setting `whoo` in [about]" in refused.error
    assert "Did you mean `who`?" in refused.error
