"""axe-core on every kind of page that cfsearch writes, in Chromium, light and dark: what it finds.

    npm pack axe-core && tar xzf axe-core-*.tgz            # or any other copy of axe.min.js
    python benchmarks/report/accessibility.py package/axe.min.js [--keep FOLDER] [PAGE.html ...]

Makes an audit of rendered faces (groups, a protected attribute), one of a table, the comparison of two audits, and the page of an
explanation, or takes the pages that are given. Runs all rules of axe-core (WCAG 2.0 to 2.2, A and AA, and its best practices) on
each, 1200 and 400 pixels wide, in light and in dark. Prints each violation with its element; exits with 1 where there is one.
The policy of a page lets no other script run, so it is taken out of the copy that axe-core looks at.
"""

import argparse
import csv
import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

import numpy as np
from click.testing import CliRunner
from PIL import Image

from cfsearch.cli import main as cfsearch
from cfsearch.datasets import faces

_RUN: Final = """
axe.run(document, {resultTypes: ["violations"]}).then(
  (r) => { document.body.setAttribute("data-axe", JSON.stringify(r.violations)); },
  (e) => { document.body.setAttribute("data-axe", JSON.stringify({error: String(e)})); });
"""
WIDTHS: Final = (1200, 400)


def _do(*words: object) -> None:
    answer = CliRunner().invoke(cfsearch, [str(word) for word in words], catch_exceptions=False)
    if answer.exit_code:
        raise SystemExit(f"{' '.join(map(str, words))}: {answer.stderr}")


def pages(folder: Path) -> dict[str, Path]:
    """The pages, made in a folder.

    Args:
        folder: an empty one.
    """
    shown = faces.faces(24, seed=11)
    (folder / "faces").mkdir()
    with (folder / "attributes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *faces.ATTRIBUTES])
        for i, pixels in enumerate(shown.images):
            Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(
                folder / "faces" / f"{i:02d}.png"
            )
            writer.writerow([f"{i:02d}.png", *(int(v > 0.5) for v in shown.attributes[i])])
    search = ("--evaluations", 100, "--population", 20, "--threads", 1)
    labels = ("--attributes", folder / "attributes.csv", "--by", "Young", "--protected", "Blond_Hair")
    for model in ("gender_natural", "gender_without_blond_women"):
        with as_file(files("cfsearch.models").joinpath(f"{model}.onnx")) as path:
            given = ("--images", folder / "faces", "--model", path, "--generator", "faces64")
            _do("audit", *given, *labels, *search, "--out", folder / model)
    _do(
        "diff",
        folder / "gender_natural",
        folder / "gender_without_blond_women",
        "--out",
        folder / "diff.html",
    )
    _do("explain", "--text", "a moving, funny film", "--out", folder / "explanation.html")
    _table(folder)
    return {
        "audit of pictures": folder / "gender_natural" / "report.html",
        "audit of a table": folder / "table" / "report.html",
        "diff": folder / "diff.html",
        "explanation": folder / "explanation.html",
    }


def _table(folder: Path) -> None:
    rng = np.random.default_rng(2)
    lines = ["age,income,sex"]
    for _ in range(40):
        sex = rng.choice(["female", "male"])
        lines.append(f"{rng.integers(20, 70)},{rng.integers(40, 120) * 500},{sex}")
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    (folder / "lender.py").write_text(
        "import numpy as np\n"
        "def predict(rows):\n"
        "    lead = (rows['income'] - 40000) / 8000 + (rows['sex'] == 'male')\n"
        "    p = 1 / (1 + np.exp(-lead.to_numpy(float)))\n"
        "    return np.stack([1 - p, p], axis=1)\n"
    )
    (folder / "lender.toml").write_text('labels = ["refused", "approved"]\nscores = "probabilities"\n')
    sys.path.insert(0, str(folder))
    _do("schema", "table", folder / "people.csv", "--out", folder / "schema.toml")
    model = ("--model", "lender:predict", "--sidecar", folder / "lender.toml", "--no-isolation")
    given = ("--data", folder / "people.csv", "--schema", folder / "schema.toml", "--by", "sex")
    _do("audit", *given, *model, "--evaluations", 100, "--population", 20, "--out", folder / "table")


def violations(page: Path, axe: Path, *, width: int, dark: bool) -> list[dict[str, Any]]:
    """What axe-core finds on a page.

    Args:
        page: the file.
        axe: axe.min.js.
        width: of the window, in pixels.
        dark: whether in dark colours.
    """
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    script = axe.read_text(encoding="utf-8").replace("</script", "<\\/script")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "page.html"
        copy.write_text(text.replace("</body>", f"<script>{script}</script><script>{_RUN}</script></body>"))
        browser = (
            shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        )
        if browser is None:
            raise SystemExit("there is no Chromium")
        words = [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"),
            *(f"--window-size={width},1600", "--virtual-time-budget=60000", "--dump-dom"),
            *(["--blink-settings=preferredColorScheme=0"] if dark else []),
        ]
        done = subprocess.run([*words, copy.as_uri()], capture_output=True, timeout=280, check=True)
    found = re.search(r'data-axe="([^"]*)"', done.stdout.decode())
    if found is None:
        raise SystemExit(f"{page}: axe-core did not end")
    result = json.loads(html.unescape(found[1]))
    if isinstance(result, dict):
        raise SystemExit(f"{page}: {result['error']}")
    return list(result)


def main() -> int:
    """Make the pages, look at each, print what is found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("axe", type=Path, help="axe.min.js")
    parser.add_argument("pages", type=Path, nargs="*")
    parser.add_argument("--keep", type=Path, help="make the pages in this folder, which must not exist")
    given = parser.parse_args()
    total = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary) / "pages"
        if not given.pages:
            folder.mkdir(parents=True)
        looked_at = {path.name: path for path in given.pages} or pages(folder)
        for name, page in looked_at.items():
            for width in WIDTHS:
                for dark in (False, True):
                    found = violations(page, given.axe, width=width, dark=dark)
                    count = sum(len(one["nodes"]) for one in found)
                    total += count
                    print(
                        f"{name:<20} {width:>5} px {'dark ' if dark else 'light'}: {count} violations",
                        flush=True,
                    )
                    for one in found:
                        print(f"  {one['id']} ({one['impact']}): {one['help']}; {len(one['nodes'])} elements")
                        for node in one["nodes"][:3]:
                            print(f"    {' '.join(node['target'])}  {node['html'][:140]}")
                            print(f"    {' '.join(node['failureSummary'].split())[:260]}")
    version = re.search(r"axe v([0-9.]+)", given.axe.read_text(encoding="utf-8"))
    print(f"axe-core {version[1] if version else '?'}: {total} violations on {len(looked_at)} pages")
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main())
