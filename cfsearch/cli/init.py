"""``cfsearch init``: a commented configuration to begin with."""

import shlex
from pathlib import Path

import click

from cfsearch.errors import ConfigError

from ._help import Command
from ._options import json_option
from ._output import Outcome, plain
from ._places import PLACE

FORMAT = "cfsearch-init/1"

TEMPLATE = """\
# Settings of a cfsearch audit. Run it with:  cfsearch audit @FILE@ --out runs/first
# Flags of the same names win over this file. Paths are relative to where you run it.

[model]                        # the classifier that is audited
path = "model.onnx"            # or weights.safetensors with arch, or pkg.mod:predict
# sidecar = "model.toml"       # labels and preprocessing; model.toml beside model.onnx by default
# arch = "mypackage.nets:build"
# votes = 16                   # for a model that gives labels only: queries a candidate
# sigma = 0.05                 # and the size of the perturbations, on [0, 1]

[data]
images = "images"              # a file, a folder or a zip
# recursive = true             # look into sub-folders
# limit = 100                  # the first so many images
# reference = "reference"      # images that stand for the classes (logit_closeness, pixels)
# For rows of a table give table, schema, rows and reference instead of images, as in
# `cfsearch audit --help`; `cfsearch schema table` writes what its columns mean.

[generator]
source = "pixels"              # a file, a shipped checkpoint ("faces64") or a plug-in's name
# settings = {grid = 6, max_change = 0.6}

[search]
solver = "nsga2"               # nsga2, smpso, gde3, ...; with settings: {name = "nsga2", ...}
# Two objectives or more, each to be made small. Left out: adversarial, intensity, and
# plausibility where the generator has a critic, perceptual where it has none.
# objectives = ["adversarial", "plausibility", "intensity:norm=l1"]
# constraints = ["flip:margin=0.1"]
evaluations = 5000             # candidates an image
population = 100               # candidates a generation
capacity = 100                 # most members of a front
seed = 0                       # decides all random numbers
# target = "male"              # the class to reach; any other class when left out
# immutable = ["Male"]         # variables (of a table: columns) that must not change
# reference_point = [0.0, 1.0, 3.0]   # of hypervolumes, one number an objective
# second_generator = "other.safetensors"   # another training that must agree on what is genuine

[audit]                        # what its findings are about; changes no search
# protected = ["Male"]         # attributes whose effects matter most; they stand first in every result
# practical = 0.25             # logits: the size from which an effect matters

[about]                        # stands on the page and in audit.json, so that they can be handed in
who = ""                       # the person or body that makes the audit
why = ""                       # what it is for
data_source = ""               # where the inputs come from
data_date = ""                 # and of when they are
remarks = ""
# croissant = "croissant.json" # what the data set is, its licence and its files, where it comes with one

[run]                          # changes no result on a CPU
device = "cpu"                 # or "cuda", "cuda:1"
# batch_size = 4               # images searched together
# workers = 4                  # processes that search side by side, one thread each
# threads = 4                  # CPU threads of torch
"""


@click.command(
    cls=Command,
    short_help="Write a commented file of settings.",
    examples=(
        "cfsearch init",
        "cfsearch init hiring.toml",
    ),
)
@click.argument("path", type=PLACE, default=Path("cfsearch.toml"), metavar="[FILE]")
@json_option
def init(path: Path) -> Outcome:
    """Write a commented file of settings, cfsearch.toml by default; never over an existing file."""
    if path.exists():
        raise ConfigError(f"init: {str(path)!r} exists already and is left as it is. Name another file.")
    from cfsearch.files import write_atomically

    write_atomically(path, TEMPLATE.replace("@FILE@", plain(shlex.quote(str(path)))))
    return Outcome(
        document={"format": FORMAT, "file": str(path)},
        show=lambda console: console.print(
            f"Wrote {plain(str(path))}. Set `path` and `images` in it.", soft_wrap=True
        ),
    )
