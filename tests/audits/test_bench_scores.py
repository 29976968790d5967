"""Scores of counterfactual images on faces that can be rendered again: against pictures whose truth is known."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.audits.bench_faces import Answer, BenchFaces, read_answers
from cfsearch.audits.bench_scores import FaceBench, Scored, by_face, figures, ranked
from cfsearch.audits.rerenders import Rerenders
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets import faces
from cfsearch.errors import DataError, ShapeError
from cfsearch.files import write_atomically
from cfsearch.runs.pictures import png

DATA = faces.faces(6, seed=21)


def drawn(i: int, **values: float) -> np.ndarray:
    """Face ``i`` with other attributes."""
    attributes = DATA.attributes[i : i + 1]
    for name, value in values.items():
        attributes = faces.do(attributes, name=name, value=value)
    found: np.ndarray = faces.quantise(faces.render(attributes, DATA.nuisances[i : i + 1]))[0]
    return found


def other(i: int, name: str) -> float:
    """The opposite of what face ``i`` shows."""
    return float(DATA.attributes[i, faces.ATTRIBUTES.index(name)] < 0.5)


def sign(value: float) -> str:
    return "+" if value > 0.5 else "-"


@pytest.mark.parametrize("i", range(3))
def test_what_a_re_render_changes_is_read_from_it_also_through_noise(i: int) -> None:
    to = {name: other(i, name) for name in ("Eyeglasses", "Pale_Skin")}
    true = drawn(i, **to)
    found = Rerenders(DATA[i : i + 1]).nearest(true)
    assert found.distance == 0.0 and np.array_equal(found.image, true)
    assert sorted(found.changes) == sorted(f"{sign(v)}{name}" for name, v in to.items())
    noise = np.random.default_rng(i).normal(0, 12, true.shape)
    noisy = Rerenders(DATA[i : i + 1]).nearest(np.clip(true + noise, 0, 255).astype(np.uint8))
    assert noisy.changes == found.changes
    assert noisy.distance == pytest.approx(np.abs(noise).mean() / 255, rel=0.1)


def test_a_picture_of_nothing_new_reads_as_the_face_itself() -> None:
    found = Rerenders(DATA[:1]).nearest(DATA.images[0])
    assert (found.changes, found.distance) == ((), 0.0)
    with pytest.raises(ShapeError, match="expected a picture of shape"):
        Rerenders(DATA[:1]).nearest(DATA.images[0][:, :32])
    with pytest.raises(ShapeError, match="expected one face, got 2"):
        Rerenders(DATA[:2])


class Glasses(Provider):
    """Sees the eyes' region: dark frames, or a mark in the corner that no attribute draws."""

    name = "glasses"
    labels = ("none", "glasses")
    scores = ScoreKind.LOGITS
    max_batch = 100

    def __init__(self, plain: Mapping[bytes, bool]) -> None:
        self.known = plain

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        pixels = (x * 255.0).round().to(torch.uint8).numpy()
        t = [1.0 if one[0, 0, 0] == 255 or self.known.get(one.tobytes(), False) else -1.0 for one in pixels]
        return torch.stack([torch.zeros(len(t)), torch.tensor(t)], dim=1)

    @property
    def fingerprint(self) -> str:
        return "glasses"


def bench_of_glasses() -> tuple[FaceBench, BenchFaces]:
    """Faces, and a model that knows which of their pictures show glasses."""
    known = {drawn(i, Eyeglasses=level).tobytes(): True for i in range(6) for level in (0.75, 1.0)}
    known |= {DATA.images[i].tobytes(): other(i, "Eyeglasses") < 0.5 for i in range(6)}
    tasks = BenchFaces(6, 21, {"glasses": "glasses"}, DATA)
    return FaceBench(tasks, {"glasses": Glasses(known)}), tasks


def answer(face: int, picture: np.ndarray) -> Answer:
    return Answer(face, f"face-{face:04d}.png", picture)


BARE = [i for i in range(6) if other(i, "Eyeglasses") > 0.5]


def marked(i: int) -> np.ndarray:
    """The face with a mark that fools the model and changes nothing."""
    picture: np.ndarray = DATA.images[i].copy()
    picture[0, 0, 0] = 255
    return picture


def test_a_true_flip_an_artefact_another_face_and_no_flip_are_distinguished() -> None:
    bench, _ = bench_of_glasses()
    i, j = BARE[:2]
    wearing = faces.quantise(
        faces.render(
            faces.do(DATA.attributes[j : j + 1], name="Eyeglasses", value=1.0), DATA.nuisances[j : j + 1]
        )
    )[0]
    pictures = [drawn(i, Eyeglasses=1.0), marked(i), DATA.images[i], wearing]
    true, artefact, same, stranger = bench.scored({"glasses": [answer(i, one) for one in pictures]})
    assert (true.flips, true.genuine, true.same_face, true.true) == (True, True, True, True)
    assert true.changes == ("+Eyeglasses",) and true.to_rerender == 0.0 < true.to_original
    assert (artefact.flips, artefact.genuine, artefact.same_face, artefact.false) == (True, False, True, True)
    assert (same.flips, same.true, same.false) == (False, False, False)
    assert stranger.flips and not stranger.same_face and not stranger.true


def scored(face: int, *, flips: bool = True, genuine: bool = True, model: str = "m") -> Scored:
    return Scored(model, face, "f.png", flips, genuine, True, ("+Eyeglasses",), 0.02, 0.03, 0.5)


def test_figures_are_of_the_first_answer_and_false_ones_count_against_true_ones() -> None:
    answers = [
        scored(0),
        scored(0, genuine=False),
        scored(1, genuine=False),
        scored(1),
        scored(2, flips=False),
    ]
    found = figures(answers, count=4, models=["m"])
    assert [found[key]["count"] for key in ("answered", "flips", "genuine", "true", "false", "any_true")] == [
        3,
        2,
        1,
        1,
        1,
        2,
    ]
    assert (found["genuine"]["n"], found["true"]["n"]) == (2, 4)
    assert by_face(answers, count=4, models=["m"]).tolist() == [1.0, -1.0, 0.0, 0.0]
    assert found["net"]["value"] == 0.0
    empty = figures([], count=4, models=["m"])
    assert (empty["genuine"], empty["to_rerender"], empty["true"]["value"]) == (None, None, 0.0)


def test_methods_are_ranked_by_true_less_false_and_equal_ones_are_not_distinguished() -> None:
    good = [scored(i) for i in range(8)]
    silent: list[Scored] = []
    wrong = [scored(i, genuine=False) for i in range(8)]
    half = [*good[:4], *(replace(one, to_rerender=0.5) for one in good[4:])]
    rows = ranked({"wrong": wrong, "half": half, "silent": silent, "good": good}, count=8, models=["m"])
    assert [(row["rank"], row["method"]) for row in rows] == [
        (1, "good"),
        (2, "half"),
        (3, "silent"),
        (4, "wrong"),
    ]
    assert [row["apart"] for row in rows] == [None, False, True, True]
    assert rows[3]["by_model"]["m"]["net"]["value"] == -1.0


def test_answers_are_found_by_the_names_of_their_faces(tmp_path: Path) -> None:
    tasks = BenchFaces(6, 21, {"a": "a.onnx", "b": "b.onnx"}, DATA)
    pixels = torch.from_numpy(DATA.images[0])
    (tmp_path / "a").mkdir()
    for name in ("face-0001.cf10.png", "face-0001.cf2.png", "face-0000.png"):
        write_atomically(tmp_path / "a" / name, png(pixels))
    write_atomically(tmp_path / "a" / "face-0002.png", png(pixels[:, :32]))
    found = read_answers(tmp_path, tasks)
    assert [one.file for one in found["a"]] == [
        "face-0000.png",
        "face-0001.cf2.png",
        "face-0001.cf10.png",
        "face-0002.png",
    ]
    assert found["b"] == []
    assert [one.picture is None for one in found["a"]] == [False, False, False, True]
    assert found["a"][3].because == "it has 64 x 32 pixels, the original 64 x 64"
    write_atomically(tmp_path / "a" / "photo.png", png(pixels))
    with pytest.raises(DataError, match=r"'photo.png' .* is of no original; expected face-0000.png to"):
        read_answers(tmp_path, tasks)
    with pytest.raises(DataError, match="no sub-folder of a classifier; expected a, b"):
        read_answers(tmp_path / "a", tasks)
    with pytest.raises(DataError, match="is no folder"):
        read_answers(tmp_path / "nothing", tasks)


def test_a_run_that_was_exported_is_read_by_its_table_the_sparsest_first(tmp_path: Path) -> None:
    tasks = BenchFaces(6, 21, {"a": "a.onnx"}, DATA)
    lines = ["file,name,what,member", "1.png,face-0003.png,original,"]
    for file, what, member in (("2.png", "knee", "4"), ("3.png", "closest sparsest", "1")):
        lines.append(f"{file},face-0003.png,{what},{member}")
        write_atomically(tmp_path / file, png(torch.from_numpy(DATA.images[3])))
    write_atomically(tmp_path / "pictures.csv", "\n".join(lines) + "\n")
    found = read_answers(tmp_path, tasks)["a"]
    assert [(one.face, one.file) for one in found] == [(3, "3.png"), (3, "2.png")]


def test_originals_are_drawn_again_from_their_folder(tmp_path: Path) -> None:
    tasks = BenchFaces.drawn(count=3, seed=4)
    tasks.write(tmp_path / "q")
    again = BenchFaces.read(tmp_path / "q")
    assert np.array_equal(again.people.images, tasks.people.images)
    assert again.models == tasks.models
    with pytest.raises(DataError, match=r"holds no bench.json"):
        BenchFaces.read(tmp_path)
