"""cfsearch: Pareto fronts of plausible counterfactuals for classifiers that cannot be opened.

Public names are loaded on first use, so that ``import cfsearch`` costs nothing.
"""

from typing import TYPE_CHECKING, Final

from cfsearch.lazy import lazy_names

if TYPE_CHECKING:
    from cfsearch.api.auditing import audit as audit
    from cfsearch.api.columns import column_effects as column_effects
    from cfsearch.api.explaining import explain as explain
    from cfsearch.api.explanation import ExplainResult as ExplainResult
    from cfsearch.api.searching import search as search
    from cfsearch.api.settings import Settings as Settings
    from cfsearch.assembly.search import Assembly as Assembly
    from cfsearch.assembly.search import assemble as assemble
    from cfsearch.audits.result import AuditResult as AuditResult
    from cfsearch.audits.result import open_audit as open_audit
    from cfsearch.audits.run import Audit as Audit
    from cfsearch.config import Config as Config
    from cfsearch.contracts.explainer import Explainer as Explainer
    from cfsearch.contracts.explainer import Explanation as Explanation
    from cfsearch.contracts.explainer_task import Subject as Subject
    from cfsearch.contracts.generator import AttributeEstimator as AttributeEstimator
    from cfsearch.contracts.generator import Critic as Critic
    from cfsearch.contracts.generator import Generator as Generator
    from cfsearch.contracts.objective import Constraint as Constraint
    from cfsearch.contracts.objective import Objective as Objective
    from cfsearch.contracts.provider import DifferentiableProvider as DifferentiableProvider
    from cfsearch.contracts.provider import Provider as Provider
    from cfsearch.contracts.provider import ScoreKind as ScoreKind
    from cfsearch.contracts.records import Candidates as Candidates
    from cfsearch.contracts.records import Evaluation as Evaluation
    from cfsearch.contracts.records import Need as Need
    from cfsearch.contracts.records import Queries as Queries
    from cfsearch.contracts.records import Reason as Reason
    from cfsearch.contracts.solver import Solver as Solver
    from cfsearch.contracts.space import SearchSpace as SearchSpace
    from cfsearch.engine.problem import Problem as Problem
    from cfsearch.engine.search import Search as Search
    from cfsearch.errors import CfsearchError as CfsearchError
    from cfsearch.errors import CfsearchWarning as CfsearchWarning
    from cfsearch.fronts.collection import Fronts as Fronts
    from cfsearch.fronts.front import ParetoFront as ParetoFront
    from cfsearch.providers.opening import open_provider as open_provider
    from cfsearch.providers.preprocessing import Preprocessing as Preprocessing
    from cfsearch.runs.directory import RunDirectory as RunDirectory

_HOME: Final = {
    "Assembly": "assembly.search",
    "AttributeEstimator": "contracts.generator",
    "Audit": "audits.run",
    "AuditResult": "audits.result",
    "Candidates": "contracts.records",
    "CfsearchError": "errors",
    "CfsearchWarning": "errors",
    "Config": "config",
    "Constraint": "contracts.objective",
    "Critic": "contracts.generator",
    "DifferentiableProvider": "contracts.provider",
    "Evaluation": "contracts.records",
    "ExplainResult": "api.explanation",
    "Explainer": "contracts.explainer",
    "Explanation": "contracts.explainer",
    "Fronts": "fronts.collection",
    "Generator": "contracts.generator",
    "Need": "contracts.records",
    "Objective": "contracts.objective",
    "ParetoFront": "fronts.front",
    "Preprocessing": "providers.preprocessing",
    "Problem": "engine.problem",
    "Provider": "contracts.provider",
    "Queries": "contracts.records",
    "Reason": "contracts.records",
    "RunDirectory": "runs.directory",
    "ScoreKind": "contracts.provider",
    "Search": "engine.search",
    "SearchSpace": "contracts.space",
    "Settings": "api.settings",
    "Solver": "contracts.solver",
    "Subject": "contracts.explainer_task",
    "assemble": "assembly.search",
    "audit": "api.auditing",
    "column_effects": "api.columns",
    "explain": "api.explaining",
    "open_audit": "audits.result",
    "open_provider": "providers.opening",
    "search": "api.searching",
}

__all__ = [
    "Assembly",
    "AttributeEstimator",
    "Audit",
    "AuditResult",
    "Candidates",
    "CfsearchError",
    "CfsearchWarning",
    "Config",
    "Constraint",
    "Critic",
    "DifferentiableProvider",
    "Evaluation",
    "ExplainResult",
    "Explainer",
    "Explanation",
    "Fronts",
    "Generator",
    "Need",
    "Objective",
    "ParetoFront",
    "Preprocessing",
    "Problem",
    "Provider",
    "Queries",
    "Reason",
    "RunDirectory",
    "ScoreKind",
    "Search",
    "SearchSpace",
    "Settings",
    "Solver",
    "Subject",
    "assemble",
    "audit",
    "column_effects",
    "explain",
    "open_audit",
    "open_provider",
    "search",
]


if not TYPE_CHECKING:  # to a type checker a name that is not listed is an error
    __getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
