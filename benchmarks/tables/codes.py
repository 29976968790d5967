"""Share of counterfactuals that enter or leave a special code, or hold a negative number that never occurs.

Makes a table in the shape of a well-known one of home-equity credit (23 integer columns with the codes -7, -8 and -9)
from a seed, trains a scikit-learn network on it, and searches from the command line at its defaults:
first with what `cfsearch schema table` guesses, then with a schema that takes the codes for numbers, as before.

    uv run python benchmarks/tables/codes.py --folder /tmp/codes
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

COLUMNS = 23
CODES = (-9, -8, -7)


def table(rows: int, *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Cells and classes: five kinds of columns, whose codes come together in some rows."""
    draw = np.random.default_rng(seed)
    risk = draw.normal(size=rows)
    made = []
    for j in range(COLUMNS):
        noise = draw.normal(size=rows)
        kind = j % 5
        if kind == 0:
            column = np.clip(72 - 9 * risk + 6 * noise, 33, 94)
        elif kind == 1:
            column = np.clip(np.exp(3.0 + 0.4 * noise - 0.2 * risk), 0, 380)
        elif kind == 2:
            column = np.clip(94 - 7 * np.maximum(risk + noise, 0), 20, 100)
        elif kind == 3:
            column = np.array([0, 1, 2, 3, 4, 6, 8])[np.clip(np.abs(risk + noise) * 2, 0, 6).astype(int)]
        else:
            column = np.clip(34 + 20 * risk + 15 * noise, 0, 232)
        column = column.round().astype(np.int64)
        if kind in (1, 3):
            column[draw.random(rows) < 0.15] = -7
        if kind in (2, 4):
            column[draw.random(rows) < 0.04] = -8
        made.append(column)
    cells = np.stack(made, axis=1)
    cells[draw.random(rows) < 0.06] = -9
    bad = risk + 0.5 * draw.normal(size=rows) > 0
    return cells, np.where(bad, "Bad", "Good")


def prepare(folder: Path, *, rows: int, seed: int) -> None:
    """The table and a network of scikit-learn on it."""
    import pandas as pd
    import skops.io
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    cells, classes = table(rows, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"column_{j + 1}" for j in range(COLUMNS)]
    with (folder / "heloc.csv").open("w", newline="") as file:
        write = csv.writer(file)
        write.writerow([*names, "risk"])
        write.writerows([*row, label] for row, label in zip(cells.tolist(), classes.tolist(), strict=True))
    frame = pd.DataFrame(cells, columns=names)
    network = MLPClassifier((32, 16), max_iter=300, early_stopping=True, random_state=0)
    model = make_pipeline(StandardScaler(), network).fit(frame, classes)
    skops.io.dump(model, folder / "heloc.skops")


def call(*words: object) -> str:
    """What a command of cfsearch prints."""
    done = subprocess.run(  # the arguments are ours
        [sys.executable, "-m", "cfsearch", *map(str, words)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def shares(folder: Path, schema: Path, *, rows: int, trust: list[str]) -> dict[str, float]:
    """Of all verified members, the shares that enter a code, leave one, or hold what never occurs."""
    with (folder / "heloc.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    occurs = {name: {float(row[name]) for row in read} for name in read[0] if name != "risk"}
    refused = [
        i
        for i, row in enumerate(read)
        if row["risk"] == "Bad" and min(map(int, list(row.values())[:-1])) > -9
    ]
    picked = [word for i in refused[:rows] for word in ("--row", i)]
    options = [word for one in trust for word in ("--trust", one)]
    out = call(
        "search", folder / "heloc.skops", "--data", folder / "heloc.csv", *picked, "--schema", schema, "--target",
        "Good", *options, "--json",
    )  # fmt: skip
    members = entered = left = never = 0
    for front in json.loads(out)["fronts"]:
        own = read[int(front["name"].split()[-1])]
        for member in front["members"]:
            if not member["verified"]:
                continue
            members += 1
            # columns are whole; a value in the document is origin + change, so it carries rounding
            values = {n: float(round(float(v))) for n, v in member["values"].items() if n in occurs}
            changed = {n: v for n, v in values.items() if v != float(own[n])}
            entered += any(v in CODES for v in changed.values())
            left += any(float(own[n]) in CODES for n in changed)
            never += any(v < 0 and v not in occurs[n] for n, v in changed.items())
    total = max(1, members)
    return {"members": members, "enter": entered / total, "leave": left / total, "never": never / total}


def main() -> None:
    """Print both tables of shares."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--rows", type=int, default=12, help="rows that are searched")
    arguments.add_argument("--trust", action="append", default=[], help="types in the skops file")
    given = arguments.parse_args()
    folder: Path = given.folder
    prepare(folder, rows=3_000, seed=0)
    guessed, plain = folder / "guessed.toml", folder / "plain.toml"
    for path in (guessed, plain):
        path.unlink(missing_ok=True)
    call("schema", "table", folder / "heloc.csv", "--label", "risk", "--out", guessed)
    plain.write_text(_as_numbers(guessed.read_text()))
    print(
        f"{'schema':10}{'members':>9}{'enter a code':>15}{'leave a code':>15}{'negative, never occurs':>25}"
    )
    for name, path in (("guessed", guessed), ("numbers", plain)):
        found = shares(folder, path, rows=given.rows, trust=given.trust)
        print(
            f"{name:10}{found['members']:>9.0f}{found['enter']:>15.1%}{found['leave']:>15.1%}{found['never']:>25.1%}"
        )


def _as_numbers(text: str) -> str:
    """The schema without codes, values and gaps, its ranges from -9 on."""
    import tomllib

    import tomli_w

    schema = tomllib.loads(text)
    for column in schema["columns"]:
        if column.pop("codes", None):
            column["range"] = [-9, column["range"][1]]
        column.pop("values", None)
        column.pop("gaps", None)
    return tomli_w.dumps(schema)


if __name__ == "__main__":
    main()
