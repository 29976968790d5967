"""Small fronts with pictures, and the document of an audit that fits them."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from bs4 import BeautifulSoup

from cfsearch.contracts.records import Reason
from cfsearch.fronts.front import ParetoFront
from cfsearch.report.page import ReportInstance

VARIABLES = ("Blond_Hair", "Eyeglasses", "No_Beard", "Young")
HOSTILE = (
    '"><img src=x onerror=alert(1)>.png',
    "</script><script>document.title='owned'</script>",
    "{{7*7}}",
    "invoice\u202egnp.exe",
    "a" * 255,
    "two\nlines",
)


@dataclass(frozen=True)
class Audit:
    """A document and its fronts."""

    document: dict[str, Any]
    instances: list[ReportInstance]


MakeFront = Callable[..., ParetoFront]
MakeAudit = Callable[..., Audit]


def parsed(page: str) -> Any:  # Any: tests look for what they know is there
    """The elements of a page."""
    return BeautifulSoup(page, "html.parser")


def wilson(count: int, n: int) -> dict[str, float] | None:
    if n == 0:
        return None
    p, z = count / n, 1.96
    middle, half = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return {
        "value": p,
        "low": max(0.0, (middle - half) / (1 + z * z / n)),
        "high": min(1.0, (middle + half) / (1 + z * z / n)),
    }


def build_front(
    name: str = "a.png",
    *,
    n: int = 5,
    seed: int = 0,
    size: int = 16,
    channels: int = 3,
    labels: Sequence[str] = ("Female", "Male"),
    target: int | None = 1,
    images: bool = True,
) -> ParetoFront:
    """Members that flip one after the other: the first half does not, the second half does."""
    rng = torch.Generator().manual_seed(seed)
    d, k = len(VARIABLES), len(labels)
    origin = torch.tensor([0.02, 0.97, 0.9, 0.6])
    z = torch.rand(n, d, generator=rng) * torch.tensor([1.0, -1.0, -1.0, -0.3])
    z[torch.rand(n, d, generator=rng) < 0.4] = 0.0
    margin = torch.linspace(-3.0, 3.0, n) if n > 1 else torch.full((n,), 2.0)
    scores = torch.zeros(n, k)
    scores[:, 1] = margin
    verified = scores.argmax(1) == 1
    shape = (channels, size, size)
    original = torch.randint(0, 256, shape, generator=rng, dtype=torch.uint8)
    pictures = original[None].repeat(n, 1, 1, 1)
    if n:
        pictures[:, :, : size // 2] = torch.randint(
            0, 256, (n, channels, size // 2, size), generator=rng, dtype=torch.uint8
        )
    original_scores = torch.zeros(k)
    original_scores[0] = 2.0
    return ParetoFront(
        name=name,
        labels=tuple(labels),
        source=0,
        target=target,
        variables=VARIABLES,
        objectives=("adversarial", "plausibility", "intensity"),
        units=("probability", "", "L2"),
        z=z,
        f=torch.stack([-margin, margin * 2, z.norm(dim=1)], 1),
        origin_values=origin,
        scores=scores,
        original_scores=original_scores,
        reconstruction_scores=original_scores * 0.9,
        verified=verified,
        images=pictures if images else None,
        original=original if images else None,
        reconstruction=original if images else None,
        origins=("nsga2",) * n,
        reason=Reason.BUDGET,
        reference_point=torch.tensor([5.0, 9.0, 4.0]),
        evaluations=100,
    )


def build_audit(
    fronts: Sequence[ParetoFront], *, models: Sequence[str] = ("first",), known: bool = False
) -> Audit:
    """Every front once for every model.

    Args:
        fronts: one a picture.
        models: their ids.
        known: whether true effects, re-renders and genuine flips are known.
    """
    instances: list[ReportInstance] = []
    rows: list[dict[str, Any]] = []
    counts: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    effects: list[dict[str, Any]] = []
    genuine: list[dict[str, Any]] = []
    for m, model in enumerate(models):
        found = 0
        for f in fronts:
            front = replace(f)
            found += front.found
            key = f"{model}/{front.name}"
            marks = tuple(
                bool(v) and i % 2 == 0 if v else None for i, v in enumerate(front.verified.tolist())
            )
            instances.append(
                ReportInstance(
                    key=key,
                    model=model,
                    front=front,
                    genuine=marks if known else None,
                    rerenders=front.images if known else None,
                )
            )
            rows.append(
                {
                    "key": key,
                    "model": model,
                    "name": front.name,
                    "status": "found" if front.found else "not_found",
                    "reason": front.reason.code,
                    "reason_text": front.reason.value,
                    "message": "",
                    "source": front.labels[front.source],
                    "sha256": hashlib.sha256(front.name.encode(errors="replace")).hexdigest(),
                    "notes": [],
                }
            )
        n = len(fronts)
        counts.append(
            {
                "model": model,
                "instances": n,
                "searched": n,
                "found": found,
                "not_found": n - found,
                "already_target": 0,
                "failed": 0,
                "found_rate": wilson(found, n),
            }
        )
        changes += [
            {"model": model, "variable": v, "direction": s, "count": c, "n": found, "rate": wilson(c, found)}
            for v, s, c in (("Blond_Hair", "+", min(2 + m, found)), ("No_Beard", "-", min(1, found)))
            if found
        ]
        sign = 1 if m else -1
        effects += [
            {"model": model, "variable": v, "estimate": _around(e, 0.4), "truth": t, "n": n}
            for v, e, t in (
                ("Blond_Hair", sign * 2.0, _around(sign * 2.5, 0.2) if known else None),
                ("Eyeglasses", 0.1, None),
                ("Young", -0.9, _around(-0.7, 0.2) if known else None),
            )
        ]
        if known:
            genuine.append({"model": model, "count": 1, "n": found, "rate": wilson(1, found)})
    document = {
        "format": "cfsearch-audit/1",
        "title": "An audit",
        "run_id": "run-1",
        "created": "2026-01-02T03:04:05+00:00",
        "finished": None,
        "versions": {"cfsearch": "0.1.0", "python": "3.12", "torch": "2.10"},
        "command": "cfsearch audit",
        "models": [
            {
                "id": model,
                "name": f"Model {model}",
                "file": "m.onnx",
                "fingerprint": "ab" * 32,
                "labels": ["Female", "Male"],
                "scores": "probabilities",
                "note": "",
                "device": "cpu",
            }
            for model in models
        ],
        "generator": {
            "name": "attgan",
            "fingerprint": "cd" * 32,
            "critic": "",
            "size": [16, 16],
            "variables": list(VARIABLES),
        },
        "search": {
            "solver": "nsga2",
            "population": 10,
            "evaluations": 100,
            "objectives": [{"name": "adversarial", "unit": "probability", "meaning": "as it says"}],
            "constraints": [],
            "target": None,
            "immutable": ["Young"],
            "seed": 7,
        },
        "counts": counts,
        "instances": rows,
        "changes": changes,
        "effects": effects,
        "genuine": genuine,
        "warnings": ["Few pictures."],
        "reproduce": {
            "command": "cfsearch audit --seed 7",
            "python": "a = 1\nb = 2",
            "hashes": [{"what": "m.onnx", "sha256": "ef" * 32}],
        },
    }
    return Audit(document, instances)


def build_hostile() -> Audit:
    """Names, labels and sentences that try to get out of their place."""
    label = "</script><script>alert(1)</script>"
    fronts = [build_front(name, labels=("{{7*7}}", label), seed=i) for i, name in enumerate(HOSTILE)]
    made = build_audit(fronts, models=("first", "second"), known=True)
    document = made.document
    document["title"] = '</title><script>alert("t")</script>\u202e'
    document["warnings"] = ["{{ config }} <b onclick=alert(1)>bold</b>"]
    document["search"]["target"] = label
    document["generator"]["critic"] = "<svg/onload=alert(1)>"
    document["reproduce"]["command"] = "cfsearch audit '</code><script>alert(1)</script>'"
    document["reproduce"]["hashes"] = [{"what": HOSTILE[0], "sha256": "00"}]
    for model in document["models"]:
        model["labels"] = ["{{7*7}}", label]
        model["name"] = f"{label} {model['id']}"
    document["instances"].append(
        dict(document["instances"][0])
        | {
            "key": "broken",
            "status": "failed",
            "name": HOSTILE[1],
            "message": "bad\x1b[31m\ud800 <i>file</i>",
        }
    )
    return made


def _around(value: float, half: float) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


@pytest.fixture
def make_front() -> MakeFront:
    return build_front


@pytest.fixture
def make_audit() -> MakeAudit:
    return build_audit


@pytest.fixture
def audit() -> Audit:
    """Three pictures, two models, everything known."""
    fronts = [build_front(f"{i}.png", seed=i) for i in range(3)]
    return build_audit(fronts, models=("first", "second"), known=True)


@pytest.fixture
def hostile() -> Audit:
    """As ``build_hostile``."""
    return build_hostile()
