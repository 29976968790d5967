"""Robustness on the page: beside each counterfactual that was tried, with what was tried."""

from dataclasses import replace

import torch

from cfsearch.report.page import build_page

from .conftest import MakeAudit, MakeFront, parsed


def test_a_card_says_how_many_small_changes_it_survives(make_front: MakeFront, make_audit: MakeAudit) -> None:
    plain = make_front("a.png", n=5)
    share = torch.where(plain.verified, 0.75, torch.nan).double()
    tried = replace(
        plain, robustness=share, extra={**plain.extra, "robustness": {"changes": 4, "what": "a nudge"}}
    )
    pages = [make_audit([front]) for front in (plain, tried)]
    without, soup = (parsed(build_page(audit.document, audit.instances)) for audit in pages)
    lines = [p.get_text() for p in soup.select(".tile .now")]
    assert lines.count("robust 3/4") == len(soup.select(".tile.verified, .tile.genuine, .tile.artefact")) > 0
    assert "under how many small changes a counterfactual still flips: a nudge." in soup.get_text()
    assert "small changes" not in without.select_one("#gallery").get_text()
