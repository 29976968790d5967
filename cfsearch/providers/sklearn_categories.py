"""The columns that LightGBM or XGBoost were fitted on as pandas categories, also behind transformers of other columns."""

from typing import Any, Final

from cfsearch.errors import ConfigError

from .sklearn_columns import chosen_names

_INNER: Final = {
    "CalibratedClassifierCV": "calibrated_classifiers_",
    "FixedThresholdClassifier": "estimator_",
    "GridSearchCV": "best_estimator_",
    "HalvingGridSearchCV": "best_estimator_",
    "HalvingRandomSearchCV": "best_estimator_",
    "RandomizedSearchCV": "best_estimator_",
    "TunedThresholdClassifierCV": "estimator_",
}
"""Estimators that hand a data frame on as it is, and the attribute that holds what they hand it to."""

_SIGNS: Final = ("categorical_feature do not match", "must be int, float, bool or category")
"""Parts of the messages of LightGBM and XGBoost about texts where they were fitted on categories."""


def unwrapped(estimator: Any) -> Any:  # Any: scikit-learn has no type for what it calls an estimator
    """What a grid search, a calibration or a threshold hands the data frame on to; itself for any other estimator.

    Args:
        estimator: fitted.
    """
    while (attribute := _INNER.get(type(estimator).__name__)) is not None and hasattr(estimator, attribute):
        found = getattr(estimator, attribute)
        estimator = found[0].estimator if isinstance(found, list) else found
    return estimator


def category_values(estimator: Any) -> dict[str, list[Any] | None]:  # Any: as above
    """The columns that LightGBM or XGBoost were fitted on as pandas categories, with their values.

    Args:
        estimator: the model itself, or a pipeline in which such columns pass a ColumnTransformer unchanged.

    Returns:
        By column the categories in their order; None where the model finds their order itself.

    Raises:
        ConfigError: an XGBoost that keeps no categories.
    """
    origin = {str(name): str(name) for name in getattr(estimator, "feature_names_in_", ())}
    estimator = unwrapped(estimator)
    while type(estimator).__name__ == "Pipeline":
        for _, step in estimator.steps[:-1]:
            origin = _passed(step, origin)
        estimator = unwrapped(estimator.steps[-1][1])
    package = type(estimator).__module__.split(".")[0]
    if package == "lightgbm":
        return _of_lightgbm(estimator.booster_, origin)
    if package == "xgboost":
        return _of_xgboost(estimator.get_booster(), origin)
    return {}


def way_out(text: str) -> str:
    """What to do where LightGBM or XGBoost refuse columns that should be categories; empty of any other text.

    Args:
        text: the message.

    Example:
        >>> way_out("train and valid dataset categorical_feature do not match.")[:42]
        'It was fitted on pandas categories that a '
        >>> way_out("division by zero")
        ''
    """
    if not any(sign in text for sign in _SIGNS):
        return ""
    return (
        'It was fitted on pandas categories that a transformer before it hides: set `dtype = "category"` for these columns in '
        "the schema (`cfsearch schema table` writes one) and give it with --schema."
    )


def _passed(step: Any, origin: dict[str, str]) -> dict[str, str]:  # Any: as above
    """Of the columns that leave a transformer, those that are columns of the table as they were: by name, the column."""
    if _changes_nothing(step):
        return origin
    if type(step).__name__ != "ColumnTransformer":
        return {}
    columns, found = list(origin), dict[str, str]()
    for name, part, chosen in step.transformers_:
        if _changes_nothing(part):
            for column in chosen_names(chosen, columns):
                found[_called(step.verbose_feature_names_out, name, column)] = origin[column]
    return found


def _changes_nothing(step: Any) -> bool:  # Any: as above
    match type(step).__name__:
        case "NoneType":
            return True
        case "str":
            return bool(step == "passthrough")
        case "FunctionTransformer":
            return step.func is None
        case "Pipeline":
            return all(_changes_nothing(part) for _, part in step.steps)
    return False


def _called(rule: Any, part: str, column: str) -> str:  # Any: True, False, a format or a function
    """The name of a column as it leaves a ColumnTransformer."""
    if isinstance(rule, str):
        return rule.format(transformer_name=part, feature_name=column)
    if callable(rule):
        return str(rule(part, column))
    return f"{part}__{column}" if rule else column


def _of_lightgbm(booster: Any, origin: dict[str, str]) -> dict[str, list[Any] | None]:  # Any: no types
    listed = booster.pandas_categorical or []
    infos = booster.dump_model()["feature_infos"]
    # LightGBM's own names have no spaces
    plain = {name.replace(" ", "_"): column for name, column in origin.items()}
    taken = [name for name in booster.feature_name() if infos.get(name, {}).get("values")]
    if len(taken) != len(listed) or any(name not in plain for name in taken):
        return {}
    return {plain[name]: list(values) for name, values in zip(taken, listed, strict=True)}


def _of_xgboost(booster: Any, origin: dict[str, str]) -> dict[str, list[Any] | None]:  # Any: no types
    types = booster.feature_types or []
    if "c" in types and not hasattr(booster, "get_categories"):
        raise ConfigError(
            "xgboost: this version does not keep the names of categories with a model, so cells cannot be "
            "given to it safely. Upgrade to xgboost 3.1 or later, and save the model with it."
        )
    names = booster.feature_names or []
    return {
        origin[name]: None for name, kind in zip(names, types, strict=False) if kind == "c" and name in origin
    }
