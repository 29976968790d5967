"""Faults that were mended once: the code that mends each, the text that puts it back, and the tests that notice it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Case:
    """A fault that can be put back.

    Args:
        line: what is kept since it was mended, in short.
        file: where the code stands.
        before: the code that mends it; it occurs there once.
        after: what puts the fault back.
        tests: what must notice it: files or names of tests.
    """

    line: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


_CHECKS: Final = "cfsearch/engine/plugin_checks.py"
_REQUIREMENTS: Final = "cfsearch/engine/requirements.py"
_PROBLEM: Final = "cfsearch/engine/problem.py"
_VERIFICATION: Final = "cfsearch/engine/verification.py"
_T_CHECKS: Final = "tests/engine/test_plugin_checks.py::"
_T_REQUIREMENTS: Final = "tests/engine/test_requirements.py::"
_SOLVER: Final = f"{_T_CHECKS}test_a_solver_that_proposes_something_else_is_named"
_PROVIDER: Final = f"{_T_CHECKS}test_a_provider_that_answers_something_else_is_named"
_GENERATOR: Final = f"{_T_REQUIREMENTS}test_a_generator_that_breaks_its_contract_is_named"
_RULES: Final = (f"{_T_CHECKS}test_no_stored_member_breaks_a_rule_although_the_solver_never_repairs",)
_EXCEPTION: Final = f"{_T_CHECKS}test_an_exception_is_the_failure_of_its_query_and_the_others_go_on"
_INPUTS: Final = f"{_T_REQUIREMENTS}test_inputs_that_cannot_be_searched_are_refused_with_the_line_to_change"

PLUGINS: Final = (
    Case(
        "what a solver proposes: type", _CHECKS,
        "    if not isinstance(z, Tensor) or not z.is_floating_point():",
        "    if isinstance(z, Tensor) and not z.is_floating_point():", (_SOLVER,),
    ),
    Case(
        "what a solver proposes: dtype", _CHECKS,
        "    if not isinstance(z, Tensor) or not z.is_floating_point():",
        "    if not isinstance(z, Tensor):", (_SOLVER,),
    ),
    Case(
        "what a solver proposes: shape", _CHECKS,
        "if z.ndim != 3 or z.shape[0] != space.b or z.shape[2] != space.d or z.shape[1] == 0:",
        "if False:", (_SOLVER,),
    ),
    Case(
        "what a solver proposes: finite numbers", _CHECKS,
        "    if checks is not None:\n        checks.check(\n            z,",
        "    if False:\n        checks.check(\n            z,", (_SOLVER,),
    ),
    Case(
        "what a solver proposes: bounds", "cfsearch/contracts/space.py",
        "        z = self.clamp(z)\n        if self._in_steps:", "        if self._in_steps:", _RULES,
    ),
    Case(
        "what a solver proposes: rules of the space, repaired before anything is evaluated", _PROBLEM,
        "        z = self.space.repair(proposed(z, self.space, who=proposed_by, checks=checks))",
        "        z = proposed(z, self.space, who=proposed_by, checks=checks)", _RULES,
    ),
    Case(
        "no stored member breaks a rule: looked at again when a front is built", _VERIFICATION,
        "kept = archive.taken(problem.allowed(archive.z, query=i)) if len(archive.z) else archive",
        "kept = archive",
        ("tests/engine/test_verification.py::test_a_member_that_breaks_a_rule_is_dropped_when_a_front_is_built",),
    ),
    Case(
        "no stored member breaks a rule: two colours of hair", "cfsearch/contracts/space.py",
        "            z = self._exclusive(z, index)", "            z = z", _RULES,
    ),
    Case(
        "what a provider returns: type", _CHECKS,
        "    if not isinstance(answer, Tensor):", "    if False:", (_PROVIDER,),
    ),
    Case(
        "what a provider returns: shape", _CHECKS,
        "    if tuple(answer.shape) != expected:", "    if False:", (_PROVIDER,),
    ),
    Case(
        "what a provider returns: dtype", _CHECKS,
        "    if not answer.is_floating_point():", "    if False:", (_PROVIDER,),
    ),
    Case(
        "what a provider returns: device", _CHECKS,
        "    if answer.device != x.device:", "    if False:", (_PROVIDER,),
    ),
    Case(
        "what a generator returns: type", _CHECKS,
        "    if not isinstance(value, Tensor) or not value.is_floating_point():\n        came",
        "    if False:\n        came", (_GENERATOR,),
    ),
    Case(
        "what a generator returns: shape", _CHECKS,
        "    if tuple(value.shape) != expected:\n", "    if False:\n", (_GENERATOR,),
    ),
    Case(
        "what a generator returns: its space", _REQUIREMENTS,
        "if not isinstance(space, SearchSpace) or space.b != b:", "if False:", (_GENERATOR,),
    ),
    Case(
        "what is given as seeds: shape", "cfsearch/engine/course.py",
        "if len(seeds) != problem.b or any(z.ndim != 2 or z.shape[1] != problem.space.d for z in seeds):",
        "if False:", ("tests/engine/test_course.py::test_seeds_of_the_wrong_shape_are_refused",),
    ),
    Case(
        "a stranger's exception has its plug-in's name and its cause", _CHECKS,
        '        raise error(f"{who} raised {type(cause).__name__}: {cause}") from cause', "        raise", (_EXCEPTION,),
    ),
    Case(
        "a provider's exception is that query's failure", _CHECKS,
        "        with raising(ProviderError, who):", "        with raising(PluginError, who):", (_EXCEPTION,),
    ),
    Case(
        "an objective's exception is that query's failure", _CHECKS,
        "    with raising(QueryError, who):", "    if True:", (_EXCEPTION,),
    ),
    Case(
        "a generator's exception is that query's failure: decode", _CHECKS,
        '    with raising(QueryError, f"{who}: {what}"):', "    if True:", (_EXCEPTION,),
    ),
    Case(
        "a generator's exception is that query's failure: encode", _PROBLEM,
        '            with raising(QueryError, f"generator {generator.name!r}: encode"):', "            if True:", (_EXCEPTION,),
    ),
    Case(
        "a generator that fails for one query: the others go on", "cfsearch/engine/search.py",
        "            if len(x) == 1:\n                return [Failure(names[0], error)]",
        "            return [Failure(name, error) for name in names]", (_EXCEPTION,),
    ),
    Case(
        "a query that failed: the others go on", _PROBLEM,
        "        except QUERY_FAILURES as error:\n            self.failures[i] = error",
        "        except QUERY_FAILURES:\n            raise", (_EXCEPTION,),
    ),
    Case(
        "a query that failed while it was verified: the others go on", _VERIFICATION,
        "            except QUERY_FAILURES as error:\n                problem.failures[i] = error",
        "            except QUERY_FAILURES:\n                raise",
        (f"{_T_CHECKS}test_a_model_that_fails_when_members_are_verified_fails_for_that_query_alone",),
    ),
    Case(
        "`max_batch` is kept in the search", "cfsearch/engine/networks.py",
        "torch.split(x, self.provider.max_batch)", "torch.split(x, len(x))",
        (f"{_T_CHECKS}test_the_model_never_gets_more_than_max_batch_inputs",),
    ),
    Case(
        "`max_batch` is kept in the verification", _VERIFICATION,
        "torch.split(x, model.max_batch)", "torch.split(x, len(x))",
        (f"{_T_CHECKS}test_the_model_never_gets_more_than_max_batch_inputs",),
    ),
    Case(
        "a budget that ends inside a search is a result", _PROBLEM,
        "        except BudgetExhausted as error:\n            self.unanswered[i] = error",
        "        except BudgetExhausted:\n            raise",
        ("tests/engine/test_budgets.py::test_queries_that_a_budget_still_reached_keep_what_was_found",),
    ),
    Case(
        "a budget that ends inside a search: the reason is `budget_exhausted`", "cfsearch/engine/course.py",
        "            return Reason.BUDGET", "            return Reason.STALLED",
        ("tests/engine/test_budgets.py",),
    ),
    Case(
        "a budget that ends before the verification: the best so far, not verified", _VERIFICATION,
        "            except BudgetExhausted:\n                original", "            except ZeroDivisionError:\n                original",
        ("tests/engine/test_budgets.py::test_queries_that_a_budget_still_reached_keep_what_was_found",),
    ),
    Case(
        "`--max-queries` reaches the search", "cfsearch/assembly/search.py",
        "max_queries=config.search.max_queries,", "max_queries=None,",
        ("tests/assembly/test_search.py::test_a_setting_reaches_the_search[search.max_queries]",),
    ),
    Case(
        "`--max-time` reaches the search", "cfsearch/assembly/search.py",
        "max_time=config.search.max_time,", "max_time=None,",
        ("tests/assembly/test_search.py::test_a_setting_reaches_the_search[search.max_time]",),
    ),
    Case(
        "`search` and `audit` have `--max-queries`", "cfsearch/cli/_options.py",
        '"--max-queries"', '"--most-queries"',
        ("tests/cli/test_search.py::test_limits_on_queries_and_time_reach_the_search",),
    ),
    Case(
        "`search` and `audit` have `--max-time`", "cfsearch/cli/_options.py",
        '"--max-time"', '"--most-time"',
        ("tests/cli/test_search.py::test_limits_on_queries_and_time_reach_the_search",),
    ),
    Case(
        "`max_queries` is kept", "cfsearch/engine/schedule.py",
        "        if limit < least:\n            return cls(0, 0, least)", "        limit, left = limit * 2, left * 2\n        if limit < least:\n            return cls(0, 0, least)",
        ("tests/engine/test_budgets.py::test_max_queries_is_kept_and_what_is_found_is_verified",),
    ),
    Case(
        "`max_time` is kept", "cfsearch/engine/course.py",
        "            and time.monotonic() - self._begin > most", "            and False",
        ("tests/engine/test_budgets.py::test_after_max_time_no_generation_begins",),
    ),
    Case(
        "199 evaluations with a population of 100 are 199, not 100", "cfsearch/engine/schedule.py",
        "        rest = evaluations % size", "        rest = 0",
        ("tests/engine/test_search.py::test_a_budget_that_is_no_whole_number_of_populations_is_kept_to_the_last_candidate",),
    ),
    Case(
        "199 evaluations with a population of 100 are 199, not 200", "cfsearch/engine/course.py",
        "self._problem.evaluate(z[:, :n], proposed_by=who", "self._problem.evaluate(z, proposed_by=who",
        ("tests/engine/test_search.py::test_a_budget_that_is_no_whole_number_of_populations_is_kept_to_the_last_candidate",),
    ),
    Case(
        "pictures outside [0, 1] are refused", _REQUIREMENTS,
        "    if low < -_TOLERANCE or high > 1.0 + _TOLERANCE:", "    if False:", (_INPUTS,),
    ),
    Case(
        "pictures times 255 are refused with the line to change", _REQUIREMENTS,
        '"divide them by 255 (x / 255)"', '"check them"', (_INPUTS,),
    ),
    Case(
        "normalised pictures are refused with the line to change", _REQUIREMENTS,
        "            if low >= 0.0 and high > 2.0\n", "            if True\n", (_INPUTS,),
    ),
    Case(
        "pictures outside [0, 1] are refused by `cfsearch.search` too", "cfsearch/api/inputs.py",
        "        if low < 0.0 or high > 1.0:", "        if False:",
        ("tests/api/test_search.py::test_pictures_outside_their_range_are_refused_with_the_line_to_change",),
    ),
    Case(
        "an objective without a name is refused", _REQUIREMENTS,
        '        if not isinstance(value, str) or (name == "name" and not value):', "        if False:",
        (f"{_T_REQUIREMENTS}test_an_objective_that_breaks_its_contract_is_named",),
    ),
    Case(
        "a provider without a name is refused", _REQUIREMENTS,
        '    if not isinstance(name, str):\n        raise PluginError(f"{who}',
        '    if False:\n        raise PluginError(f"{who}',
        (f"{_T_REQUIREMENTS}test_a_provider_that_breaks_its_contract_is_named",),
    ),
    Case(
        "`needs` that is no `Need` is refused", _REQUIREMENTS,
        "        or not all(isinstance(n, Need) for n in needs)\n", "",
        (f"{_T_REQUIREMENTS}test_an_objective_that_breaks_its_contract_is_named",),
    ),
    Case(
        "a setting of the wrong type is refused", "cfsearch/registry.py",
        "        if isinstance(kind_of_value, type) and kind_of_value in _WORDS and not _is(value, kind_of_value):",
        "        if False:", ("tests/test_registry.py::test_a_setting_of_the_wrong_type_is_named",),
    ),
    Case(
        "a setting of a search of the wrong type is refused", "cfsearch/engine/search.py",
        "            if not isinstance(value, int) or isinstance(value, bool) or value < 1:", "            if value < 1:",
        ("tests/engine/test_search.py::test_sizes_must_be_whole_and_positive",),
    ),
)  # fmt: skip
"""What plug-ins return and what users set is checked where it enters, and budgets are kept."""


SURVIVORS: Final = (
    Case(
        "a chart with its axis mirrored", "cfsearch/report/charts.py",
        "3 + 94 * min(1.0, max(0.0, share))", "97 - 94 * min(1.0, max(0.0, share))",
        ("tests/report/test_effects.py",),
    ),
    Case(
        "`verified` without its margin", "cfsearch/engine/verification.py",
        "leads(scores, problem, i) >= self.margin", "leads(scores, problem, i) >= 0.0",
        ("tests/engine/test_verification.py", "tests/engine/test_search.py"),
    ),
    Case(
        "a search that ignores `pruning`", "cfsearch/engine/search.py",
        "pruning=self.pruning)", "pruning=0.0)",
        ("tests/engine/test_search.py",),
    ),
    Case(
        "`--capacity` ignored", "cfsearch/assembly/search.py",
        "capacity=config.search.capacity,", "capacity=100,",
        ("tests/assembly/test_search.py::test_a_setting_reaches_the_search[search.capacity]",),
    ),
    Case(
        "effects without `repair`", "cfsearch/audits/effects.py",
        "space.repair(both)", "both",
        ("tests/audits/test_effects.py",),
    ),
    Case(
        "changes counted where the reconstruction flips", "cfsearch/audits/changes.py",
        "sparsest is None or front.reconstruction_flips", "sparsest is None",
        ("tests/audits/test_changes.py",),
    ),
    Case(
        "classes counted where the reconstruction flips", "cfsearch/audits/transitions.py",
        "sparsest is not None and not front.reconstruction_flips", "sparsest is not None",
        ("tests/audits/test_transitions.py",),
    ),
    Case(
        "resizing without antialiasing", "cfsearch/providers/preprocessing.py",
        "antialias=True", "antialias=False",
        ("tests/providers/test_preprocessing.py",),
    ),
    Case(
        "the lower bound of `pixels` halved", "generators/pixels.py",
        "lower=-bound,", "lower=-bound / 2,",
        ("tests/generators/test_pixels.py",),
    ),
    Case(
        "`AttGAN.to` that loses its range of attributes", "generators/attgan/generator.py",
        "content, attribute_range=self.attribute_range, dead_zone=", "content, dead_zone=",
        ("tests/generators/attgan/test_generator.py",),
    ),
    Case(
        "the dead zone on whole numbers", "cfsearch/contracts/space.py",
        "(z.abs() < self.dead_zone) & ~self._whole", "(z.abs() < self.dead_zone)",
        ("tests/contracts/test_space.py",),
    ),
)  # fmt: skip
"""Changes that every test let through once."""
