"""Flips that may be the generator's own: marked on the page, and picked nowhere."""

import json
from dataclasses import replace

import torch

from cfsearch.fronts.front import ParetoFront
from cfsearch.report.page import build_page

from .conftest import MakeAudit, MakeFront, parsed


def measured(front: ParetoFront, *, doubtful: int) -> ParetoFront:
    """The front with genuineness of its members, one verified member within the generator's error."""
    z = torch.full((len(front),), 3.0, dtype=torch.float64)
    z[doubtful] = 0.2
    return replace(front, genuineness=z, extra={**front.extra, "genuineness": {"threshold": 1.0}})


def test_a_flip_within_the_generators_error_is_marked_and_explained(
    make_front: MakeFront, make_audit: MakeAudit
) -> None:
    plain = make_front("a.png", n=5)
    first = int(plain.verified.nonzero()[0])
    front = measured(plain, doubtful=first)
    audit = make_audit([front])
    soup = parsed(build_page(audit.document, audit.instances))
    payload = json.loads(soup.find("script", {"type": "application/json"}).string)
    [shown] = payload["fronts"]
    expected = {
        i: "u" if not flips else "d" if i == first else "v" for i, flips in enumerate(front.verified.tolist())
    }
    assert shown["status"] == "".join(expected[i] for i in shown["index"])
    assert soup.select(".badge .shape.doubtful")
    assert "is kept and shown, but counts nowhere" in soup.get_text()
    assert first not in front.picks().values()


def test_without_the_measurement_nothing_is_called_doubtful(
    make_front: MakeFront, make_audit: MakeAudit
) -> None:
    audit = make_audit([make_front("a.png", n=5)])
    soup = parsed(build_page(audit.document, audit.instances))
    assert not soup.select(".shape.doubtful")
    assert "counts nowhere" not in soup.get_text()
