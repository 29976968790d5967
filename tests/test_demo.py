"""The demo: what ships tells the story that the page tells."""

import json
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
import torch

from cfsearch.contracts.records import Reason
from cfsearch.datasets import faces
from cfsearch.demo import Demo, demo_faces, face_index, face_name, rerender, survives, switched, true_effects
from cfsearch.errors import ConfigError, RunError
from cfsearch.fronts.front import ParetoFront
from cfsearch.providers.onnx.provider import OnnxProvider


def model(name: str) -> OnnxProvider:
    with as_file(files("cfsearch.models").joinpath(name)) as path:
        return OnnxProvider.open(path)


def front(face: faces.FaceSet, change: dict[str, float]) -> ParetoFront:
    """A front of one member that changes a face's true attributes."""
    variables = tuple(name for name in faces.ATTRIBUTES if name != "Male")
    origin = torch.tensor([float(face.attributes[0, faces.ATTRIBUTES.index(v)]) for v in variables])
    z = torch.tensor([[change.get(name, 0.0) for name in variables]])
    pixels = torch.from_numpy(face.images)
    return ParetoFront(
        name="face-01.png",
        labels=("not Male", "Male"),
        source=0,
        target=None,
        variables=variables,
        objectives=("a", "b"),
        units=("", ""),
        z=z,
        f=torch.zeros(1, 2),
        origin_values=origin,
        scores=torch.tensor([[0.0, 1.0]]),
        original_scores=torch.tensor([1.0, 0.0]),
        reconstruction_scores=torch.tensor([1.0, 0.0]),
        verified=torch.tensor([True]),
        images=pixels,
        original=pixels[0],
        reconstruction=pixels[0],
        origins=("test",),
        reason=Reason.BUDGET,
        reference_point=torch.zeros(2),
        evaluations=1,
    )


def test_faces_are_half_women_and_the_same_each_time() -> None:
    first, again = demo_faces(6), demo_faces(6)
    assert np.array_equal(first.images, again.images)
    assert first.attributes[:, faces.ATTRIBUTES.index("Male")].tolist() == [0, 1, 0, 1, 0, 1]
    assert [face_index(face_name(i)) for i in range(3)] == [0, 1, 2]


def test_an_unchanged_member_is_drawn_as_the_face_itself() -> None:
    face = demo_faces(2)[np.array([1])]
    assert np.array_equal(rerender(front(face, {}), face).numpy(), face.images)


def test_a_changed_member_is_drawn_as_the_renderer_draws_that_change() -> None:
    face = demo_faces(2)[np.array([0])]
    sign = 1.0 - 2.0 * face.attributes[0, faces.ATTRIBUTES.index("Eyeglasses")]
    changed = face.attributes.copy()
    changed[0, faces.ATTRIBUTES.index("Eyeglasses")] += sign
    truth = faces.quantise(faces.render(changed, face.nuisances))
    assert np.array_equal(rerender(front(face, {"Eyeglasses": float(sign)}), face).numpy(), truth)


def test_a_flip_survives_only_where_the_model_flips_on_the_true_image() -> None:
    face = demo_faces(2)[np.array([0])]
    natural = model("gender_natural.onnx")
    same = rerender(front(face, {}), face)
    assert survives(front(face, {}), same, natural) == [False]
    man = demo_faces(2)[np.array([1])]
    assert survives(front(face, {}), torch.from_numpy(man.images), natural) == [True]
    unverified = replace(front(face, {}), verified=torch.tensor([False]))
    assert survives(unverified, same, natural) == [None]


def test_the_blind_spot_turns_the_effect_of_blond_hair_around() -> None:
    data = switched(faces.faces(40, seed=5))
    natural = true_effects(model("gender_natural.onnx"), data)["Blond_Hair"].mean()
    without = true_effects(model("gender_without_blond_women.onnx"), data)["Blond_Hair"].mean()
    assert float(natural) < -0.5
    assert float(without) > 1.5


def test_the_classifiers_know_men_from_women_on_unseen_natural_faces() -> None:
    data = faces.faces(200, seed=6)
    said = model("gender_natural.onnx").predict(torch.from_numpy(data.images).float() / 255.0).argmax(1)
    truth = torch.from_numpy(data.attributes[:, faces.ATTRIBUTES.index("Male")] > 0.5).long()
    assert float((said == truth).float().mean()) > 0.9


def test_a_small_demo_writes_the_page_and_resumes_to_the_same(tmp_path: Path) -> None:
    demo = Demo(tmp_path, count=2, evaluations=120, effect_faces=4)
    first = demo.run()
    page = demo.page.read_text(encoding="utf-8")
    assert "<html" in page
    assert {c["model"] for c in first["counts"]} == {"natural", "without-blond-women"}
    assert len(first["effects"]) == 2 * 13
    assert (
        "is not estimated on this page" in first["warnings"][0] and "searches 2 faces" in first["warnings"][0]
    )
    assert "is not estimated on this page" in page
    python = first["reproduce"]["python"]
    assert "run_demo" in python and "count=2, evaluations=120, seed=7" in python
    compile(python, "report.html", "exec")
    again = Demo(tmp_path, count=2, evaluations=120, effect_faces=4).run()
    for volatile in ("created", "finished"):
        del first[volatile], again[volatile]
    assert json.dumps(first) == json.dumps(again)


def test_another_number_of_faces_leaves_a_folder_as_it_is(tmp_path: Path) -> None:
    first, more = Demo(tmp_path, count=2), Demo(tmp_path, count=3)
    first._write_faces(demo_faces(2))
    before = {path.name: path.read_bytes() for path in (tmp_path / "faces").iterdir()}
    with pytest.raises(RunError, match="holds other faces than the 3 of this demo"):
        more._write_faces(demo_faces(3))
    assert {path.name: path.read_bytes() for path in (tmp_path / "faces").iterdir()} == before
    first._write_faces(demo_faces(2))


@pytest.mark.parametrize("count", [0, 1, 201])
def test_a_silly_number_of_faces_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(ConfigError, match="must lie in 2 to 200"):
        Demo(tmp_path, count=count)
    assert not list(tmp_path.iterdir())
