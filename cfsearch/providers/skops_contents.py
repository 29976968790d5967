"""Compiled parts of scikit-learn models in a skops file: indices that stay within them, before anything uses them.

scikit-learn follows the nodes of trees without checking bounds. A fitted tree never leaves itself; a forged file
could, and would read foreign memory. skops tells types, not contents, so the contents are checked here.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from io import BytesIO
from typing import Any, Final
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from .skops_types import NEIGHBOURS, PREDICTOR, TREE

_WORDS: Final = 8
"""Unsigned numbers of 32 bits in a set of up to 256 categories."""


class ForgedModelError(ValueError):
    """A part of a model that no fitting can have made; the message says which."""


def trees_in(content: bytes) -> int:
    """How many trees stand in a skops file, each of which can be made without leaving its own arrays.

    Args:
        content: the file; none of its types is foreign, which was checked before.

    Raises:
        ForgedModelError: one of them cannot.
    """
    audit, kinds = import_module("skops.io._audit"), import_module("skops.io._sklearn")
    with ZipFile(BytesIO(content)) as archive:
        schema, context = import_module("skops.io._utils").read_schema(archive)
        root = audit.get_tree(schema, context, trusted=None)
        found = 0
        for node in _nodes(root, audit.Node):
            if f"{node.module_name}.{node.class_name}" != TREE or isinstance(node, audit.CachedNode):
                continue
            if isinstance(node, kinds.TreeNode):
                _check_state(node.children["args"].construct(), node.children["attrs"].construct())
                found += 1
            elif type(node).__name__ != "TypeNode":  # the mere name of a class
                raise ForgedModelError("a tree is written in a way that skops never writes one")
        return found


def check_contents(model: Any, *, trees: int) -> None:  # Any: an estimator
    """Refuse a model whose compiled parts point outside their own arrays, or outside the columns of their owner.

    Args:
        model: as skops loaded it.
        trees: how many trees its file holds, each of which must be found in it.

    Raises:
        ForgedModelError: one of them does.
    """
    found: set[int] = set()
    for part in _parts(model):
        kind = f"{type(part).__module__}.{type(part).__name__}"
        state = _attributes(part)
        if kind in NEIGHBOURS:
            _check_neighbours(part.__getstate__())
        tree: Any = state.get("tree_")  # Any: whatever stands there
        if f"{type(tree).__module__}.{type(tree).__name__}" == TREE:
            _check_tree(tree.__getstate__(), columns=_columns(state))
            found.add(id(tree))
        if "_predictors" in state:
            _check_histogram(state)
        if "estimators_" in state and "n_trees_per_iteration_" in state:
            _check_stages(state)
    if len(found) != trees:
        raise ForgedModelError("a tree stands where scikit-learn keeps none")


def _nodes(root: Any, kind: type) -> Iterator[Any]:  # Any: nodes of skops
    waiting, seen = [root], {id(root)}
    while waiting:
        node = waiting.pop()
        yield node
        for child in node.children.values():
            parts = child.values() if isinstance(child, dict) else child
            for part in parts if isinstance(child, list | tuple | dict) else (child,):
                if isinstance(part, kind) and id(part) not in seen:
                    seen.add(id(part))
                    waiting.append(part)


def _parts(model: Any) -> Iterator[Any]:  # Any: whatever an estimator holds
    waiting, seen = [model], {id(model)}
    kept = [model]  # so that no identity is given twice
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, Mapping):
            held: list[Any] = list(part.values())
        elif isinstance(part, list | tuple | set | frozenset):
            held = list(part)
        elif isinstance(part, np.ndarray):
            held = part.reshape(-1).tolist() if part.dtype == object else []
        else:
            held = list(_attributes(part).values())
        for one in held:
            if not isinstance(one, str | bytes | int | float | type) and id(one) not in seen:
                seen.add(id(one))
                kept.append(one)
                waiting.append(one)


def _attributes(part: Any) -> dict[str, Any]:  # Any: as above
    held = getattr(part, "__dict__", None)
    return held if isinstance(held, dict) else {}


def _columns(state: Mapping[str, Any]) -> int:  # Any: as above
    count = state.get("n_features_in_")
    if not isinstance(count, int | np.integer):
        raise ForgedModelError("the owner of a tree does not say how many columns it takes")
    return int(count)


def _check_state(args: Any, state: Any) -> None:  # Any: what the file holds
    known = (
        isinstance(args, tuple)
        and len(args) == 3
        and isinstance(state, dict)
        and isinstance(args[2], int)
        and isinstance(args[1], np.ndarray)
        and all(isinstance(state.get(key), np.ndarray) for key in ("nodes", "values"))
    )
    if not known or args[1].shape != (args[2],) or args[2] < 1 or args[1].min() < 1:
        raise ForgedModelError("a tree does not say how many outputs and classes it has")
    nodes, values = state["nodes"], state["values"]
    if not 0 < len(nodes) == state.get("node_count") or values.shape[:1] != nodes.shape:
        raise ForgedModelError(f"a tree counts {state.get('node_count')} nodes and holds {len(nodes)}")


def _check_tree(state: Mapping[str, Any], *, columns: int) -> None:  # Any: numbers and arrays
    nodes = state["nodes"]
    inner = nodes["left_child"] != -1
    _check_children(nodes["left_child"], nodes["right_child"], inner)
    _check_split_columns(nodes["feature"], inner, columns=columns)


def _check_children(
    left: NDArray[Any], right: NDArray[Any], inner: NDArray[np.bool_]
) -> None:  # Any: whole numbers of several widths
    """Each child of an inner node comes after it, so that no walk is endless, and within the tree."""
    place = np.arange(len(inner))[inner]
    for children in (left[inner].astype(np.int64), right[inner].astype(np.int64)):
        if not ((children > place) & (children < len(inner))).all():
            raise ForgedModelError("a node of a tree has a child outside the tree, or before itself")


def _check_split_columns(
    chosen: NDArray[Any], inner: NDArray[np.bool_], *, columns: int
) -> None:  # Any: as above
    taken = chosen[inner].astype(np.int64)
    if not ((taken >= 0) & (taken < columns)).all():
        raise ForgedModelError(f"a tree of {columns} columns splits on another one")


def _check_stages(state: Mapping[str, Any]) -> None:  # Any: as above
    """Gradient boosting adds the trees of all classes in one call, on rows as wide as the first tree's."""
    stages, classes = state["estimators_"], state.get("classes_")
    wanted = 1 if classes is None or len(classes) == 2 else len(classes)
    start = _attributes(state.get("init_")).get("classes_")
    fits = (
        isinstance(stages, np.ndarray)
        and stages.ndim == 2
        and stages.shape[1] == wanted == state["n_trees_per_iteration_"]
        and bool(getattr(state.get("_loss"), "is_multiclass", False)) == (wanted > 1)
        and (start is None or (classes is not None and len(start) == len(classes)))
    )
    if not fits:
        raise ForgedModelError("its boosting stages do not fit its classes")
    widths = {_attributes(tree).get("n_features_in_") for tree in stages.reshape(-1)}
    if widths != {_columns(state)}:
        raise ForgedModelError("its boosting stages do not take the same columns")


def _check_histogram(state: Mapping[str, Any]) -> None:  # Any: as above
    columns = _columns(state)
    bins = _attributes(state.get("_bin_mapper"))
    categorical = np.asarray(bins.get("is_categorical_"), dtype=bool)
    ahead = _attributes(state.get("_preprocessor")).get("transformers_", ())
    widths = {len(categorical) if categorical.ndim else -1, len(bins.get("bin_thresholds_", ()))}
    widths |= {sum(int(np.sum(chosen)) for _, _, chosen in ahead)} if ahead else set()
    if widths != {columns}:
        raise ForgedModelError("its histograms do not take the columns of the model")
    for stage in state["_predictors"]:
        for predictor in stage:
            if f"{type(predictor).__module__}.{type(predictor).__name__}" != PREDICTOR:
                raise ForgedModelError("a tree of its histograms is none")
            _check_predictor(_attributes(predictor), columns=columns, categorical=categorical)


def _check_predictor(state: Mapping[str, Any], *, columns: int, categorical: NDArray[np.bool_]) -> None:
    nodes: Any = state.get("nodes")  # Any: whatever stands there
    sets: Any = state.get("raw_left_cat_bitsets")  # Any: as above
    if not (isinstance(nodes, np.ndarray) and nodes.ndim == 1 and len(nodes) and nodes.dtype.names):
        raise ForgedModelError("a tree of its histograms has no nodes")
    inner = nodes["is_leaf"] == 0
    _check_children(nodes["left"], nodes["right"], inner)
    _check_split_columns(nodes["feature_idx"], inner, columns=columns)
    split = nodes[inner & (nodes["is_categorical"] != 0)]
    known = isinstance(sets, np.ndarray) and sets.ndim == 2 and sets.shape[1] == _WORDS
    if len(split) and not (
        known and (split["bitset_idx"] < len(sets)).all() and categorical[split["feature_idx"]].all()
    ):
        raise ForgedModelError("a tree of its histograms splits on categories that it does not hold")


def _check_neighbours(state: Any) -> None:  # Any: a tuple of arrays and numbers
    """The arrays of a k-d or ball tree: each node halves its parent, and each leaf lies within the rows."""
    data, places, nodes, bounds = state[0], state[1], state[2], state[3]
    count, metric = state[6], state[11]
    rows, columns = data.shape
    weights = len(metric.__getstate__()[1]) if metric is not None else -1
    minkowski = type(metric).__name__.startswith("Minkowski")
    start, end, leaf = nodes["idx_start"], nodes["idx_end"], nodes["is_leaf"] != 0
    first = 2 * np.arange(len(nodes))[~leaf] + 1
    fits = (
        rows > 0
        and metric is not None
        and (not minkowski or weights in (0, columns))
        and places.shape == (rows,)
        and bool(((places >= 0) & (places < rows)).all())
        and count == len(nodes) > 0
        and bounds.ndim == 3
        and bounds.shape[1:] == (len(nodes), columns)
        and (start[0], end[0]) == (0, rows)
        and bool((start <= end).all())
        and bool((first + 1 < len(nodes)).all())
        and bool((start[first] == start[~leaf]).all())
        and bool((end[first] == start[first + 1]).all())
        and bool((end[first + 1] == end[~leaf]).all())
    )
    if not fits:
        raise ForgedModelError("its tree of neighbours does not hold its own rows")
