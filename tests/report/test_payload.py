"""The numbers behind the explorer, compared whole."""

import json
import math

import pytest
import torch

from cfsearch.report.gallery import explorer_picture, grouped
from cfsearch.report.payload import build_payload, script_json
from cfsearch.report.pictures import Codec
from cfsearch.report.plan import Plan

from .test_gallery import CODEC, entry, front, sigmoid

PLAN = Plan(CODEC, strip=8, pictured=10, members=10)


def test_a_payload_as_a_whole() -> None:
    made = front(
        z=torch.tensor([[0.0, 0.0], [-0.5, 0.012345], [0.25, -0.75]]),
        f=torch.tensor([[0.123456, 1.0], [float("nan"), 2.5], [float("inf"), 123456.0]]),
    )
    one = entry(made, shown=(1,), explored=(0, 2), picks={"sparsest": 1})
    found = build_payload(grouped([one]), plan=PLAN, models={"m": "net"})
    assert found == {
        "kind": "png",
        "groups": ["a.png"],
        "spaces": [
            {
                "labels": ["no", "yes"], "wanted": 1, "objectives": ["adversarial", "intensity"], "units": ["nat", "L2"],
                "variables": [
                    {"name": "No_Beard", "subject": "Beard", "negated": True},
                    {"name": "Young", "subject": "Young", "negated": False},
                ],
                "origins": ["near⟨U+202E⟩est", "nsga2", "random"],
            }
        ],
        "fronts": [
            {
                "group": 0, "space": 0, "model": "net", "key": "m/a.png", "total": 3, "index": [0, 2],
                "f": [[0.1235, None], [1, 123500]], "p": [round(sigmoid(-1), 4), round(sigmoid(3), 4)], "now": [0, 1],
                "z": [[], [1, -0.75, 0, 0.25]], "scale": None, "words": None, "start": [0.875, 0.125], "status": "uv",
                "origin": [2, 0], "picks": {"sparsest": 1}, "source": 0, "before": round(sigmoid(-2), 4),
                "pictures": {str(i): explorer_picture(one, i, codec=CODEC) for i in (0, 2)},
            }
        ],
    }  # fmt: skip
    json.dumps(found, allow_nan=False)


def test_fronts_of_one_space_share_it() -> None:
    hat = front(variables=("Hat", "Young"))
    several = [
        entry(key="1"),
        entry(hat, key="2", model="o"),
        entry(key="3", about={**entry().about, "name": "b"}),
    ]
    found = build_payload(grouped(several), plan=PLAN, models={})
    assert [(f["group"], f["space"], f["model"]) for f in found["fronts"]] == [
        (0, 0, "m"),
        (0, 1, "o"),
        (1, 0, "m"),
    ]
    assert [s["variables"][0]["name"] for s in found["spaces"]] == ["No_Beard", "Hat"]
    assert found["groups"] == ["a.png", "b"]


def test_words_and_scale_of_the_generator() -> None:
    made = front(described=(("a -> b",), (), ("c\u202e",)), scale=torch.tensor([1.0, 2.5]))
    [found] = build_payload(grouped([entry(made)]), plan=PLAN, models={})["fronts"]
    assert found["words"] == [["a → b"], [], ["c⟨U+202E⟩"]]
    assert found["scale"] == [1, 2.5]


def test_pictures_of_the_strip_are_not_repeated_and_others_are_limited() -> None:
    few = Plan(Codec("webp", 80, 64), strip=8, pictured=1, members=10)
    payload = build_payload(grouped([entry(shown=(0,))]), plan=few, models={})
    assert payload["kind"] == "webp"
    assert list(payload["fronts"][0]["pictures"]) == ["1"]
    [found] = build_payload(grouped([entry(shown=(0, 1, 2))]), plan=PLAN, models={})["fronts"]
    assert found["pictures"] == {}
    bare = front(images=None, original=None, reconstruction=None, text=("a",), texts=(("a",), ("b",), ("c",)))
    [found] = build_payload(grouped([entry(bare, shown=())]), plan=PLAN, models={})["fronts"]
    assert found["pictures"] == {}


def test_changes_of_nothing_are_left_out_and_the_strongest_comes_first() -> None:
    made = front(z=torch.tensor([[1e-6, 2e-6], [0.1, -0.1], [-0.12345, 3.0]]))
    [found] = build_payload(grouped([entry(made)]), plan=PLAN, models={})["fronts"]
    assert found["z"] == [[1, 2e-06], [0, 0.1, 1, -0.1], [1, 3, 0, -0.123]]


def test_json_cannot_end_its_element() -> None:
    text = script_json({"a": "</script><!-- & é", "b": [1, None]})
    assert text == '{"a":"\\u003c/script\\u003e\\u003c!-- \\u0026 \\u00e9","b":[1,null]}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json(math.nan)
