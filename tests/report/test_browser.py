"""The page in a browser: its script runs, nothing of a stranger does."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cfsearch.report.page import build_page

from .conftest import Audit, MakeAudit, MakeFront, parsed

pytestmark = pytest.mark.browser


def browsed(page: str, folder: Path, *words: str, anchor: str = "") -> subprocess.CompletedProcess[bytes]:
    """The browser on a page, with what it is to do."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    return subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-default-apps", "--enable-logging=stderr", "--log-level=0",
            f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=4000", *words,
            f"{path.as_uri()}{anchor}",
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )  # fmt: skip


def opened(page: str, folder: Path, *, anchor: str = "") -> tuple[str, str]:
    """The page's elements after its script ran, and what the browser complained of."""
    done = browsed(page, folder, "--dump-dom", anchor=anchor)
    said = [line for line in done.stderr.decode(errors="replace").splitlines() if "CONSOLE" in line]
    return done.stdout.decode(), "\n".join(said)


def test_the_script_runs_and_draws_the_explorer(audit: Audit, tmp_path: Path) -> None:
    page = build_page(audit.document, audit.instances)
    dom, said = opened(page, tmp_path, anchor="#front=second%2F1.png&member=4&x=plausibility&y=p")
    soup = parsed(dom)
    assert said == ""
    assert soup.find("html")["data-ready"] == "yes"
    assert len(soup.select("#scatter .point")) == 5
    assert soup.select_one("#scatter .point.chosen")["aria-label"].startswith("Member 4")
    assert soup.select_one("#member h3").get_text() == "Member 4"
    assert all(i["src"].startswith("data:image/") for i in soup.select("#member img"))
    words = [li.get_text() for li in soup.select("#member li")]
    tile = soup.select_one('#picture-1 a[href*="second"][href$="member=4"]').find_parent("li")
    assert words[: len(tile.select(".words li"))] == [
        li.get_text() for li in tile.select(".words li") if "smaller" not in li.get_text()
    ]


def test_dots_are_larger_the_smaller_the_third_objective(audit: Audit, tmp_path: Path) -> None:
    page = build_page(audit.document, audit.instances)
    dom, said = opened(page, tmp_path, anchor="#front=first%2F1.png&x=intensity&y=p")
    soup = parsed(dom)
    assert said == ""
    assert soup.select_one("#pick-size option[selected]")["value"] == "plausibility"
    assert "larger dot: smaller plausibility" in soup.select_one("#scatter-key").get_text()
    assert {o["value"] for o in soup.select("#pick-x option")}.isdisjoint({"p"})  # no axis twice
    front = next(i.front for i in audit.instances if i.key == "first/1.png")
    rings = {int(p["data-i"]): float(p.select_one(".ring")["r"]) for p in soup.select("#scatter .point")}
    by_value = sorted(rings, key=lambda i: float(front.f[i, 1]))
    sizes = [rings[i] for i in by_value]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1] + 3
    alike, _ = opened(page, tmp_path, anchor="#front=first%2F1.png&x=intensity&y=p&size=")
    assert len({p.select_one(".ring")["r"] for p in parsed(alike).select("#scatter .point")}) == 1


def test_pictures_can_be_enlarged_by_mouse_and_keyboard(audit: Audit, tmp_path: Path) -> None:
    """What a browser announces of them; the page holds the dialog that they open, empty and closed."""
    dom, said = opened(build_page(audit.document, audit.instances), tmp_path)
    soup = parsed(dom)
    assert said == ""
    links = soup.select("#picture-0 .tile a")
    assert links
    assert {link["aria-haspopup"] for link in links} == {"dialog"}
    assert links[0]["aria-label"] == "Enlarge counterfactual 1 of 5"
    for image in soup.select(".example .pair img"):
        assert (image["tabindex"], image["role"]) == ("0", "button")
    dialog = soup.select_one("dialog#large")
    assert not dialog.has_attr("open")
    assert dialog.select_one("form[method=dialog] button")["aria-label"] == "Close"


def test_in_print_ten_faces_take_half_a_page_each(
    make_front: MakeFront, make_audit: MakeAudit, tmp_path: Path
) -> None:
    """Without rules for print they take nine pages instead of five."""

    def printed(faces: int) -> int:
        made = make_audit([make_front(f"{i}.png", seed=i, n=8) for i in range(faces)])
        browsed(
            build_page(made.document, made.instances), tmp_path, f"--print-to-pdf={tmp_path / 'page.pdf'}"
        )
        return len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "page.pdf").read_bytes()))

    assert 1 <= printed(11) - printed(1) <= 6


def test_f72_hostile_names_run_nothing(hostile: Audit, tmp_path: Path) -> None:
    dom, said = opened(build_page(hostile.document, hostile.instances), tmp_path)
    soup = parsed(dom)
    assert said == ""
    assert soup.find("html")["data-ready"] == "yes"
    assert soup.find("title").get_text() == '</title><script>alert("t")</script>⟨U+202E⟩'
    assert len(soup.find_all("script")) == 2
    options = [o.get_text() for o in soup.select("#pick-group option")]
    assert '"><img src=x onerror=alert(1)>.png' in options
    assert not soup.select("[onerror], [onload], [onclick]")
