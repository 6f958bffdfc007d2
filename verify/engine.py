"""Check claims: draw problems, ask every route, judge, shrink what fails. Data flows one way."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path

from hypothesis import HealthCheck, Phase, assume, given, settings, target
from hypothesis import seed as seeded
from hypothesis.errors import Flaky, Unsatisfiable
from threadpoolctl import threadpool_limits

from theory.claim import Claim, Family
from theory.optimum import Optimum
from theory.problem import Problem
from verify import cases, registry
from verify.certified import Keeper
from verify.evidence import RANK, Tally, agreement, claim_verdict
from verify.findings import findings_for, optimum_for, routes_of
from verify.judge import LIMIT_SCALES, Finding
from verify.laws import broken_law
from verify.limits import OutOfTime, time_limit
from verify.mutation import judge_mutants, probes
from verify.parallel import each
from verify.routes import COSTLY, SOLVERS
from verify.routes.symbolic import prove
from verify.sampling import PROFILES, problems
from verify.schemas import Case, ClaimCertificates, ClaimResult, MutantSummary, RouteResult, RunResult, Verdict
from verify.standing import MOST_CLASSES, Standing, Suspicion, heard, standing
from verify.wording import counted

__all__ = ["check", "reached", "run"]

SMALL, MODERATE = 6, MOST_CLASSES
"""Most classes for the costly routes: in drawn problems, in fixed ones."""
IMPOSSIBLE = 1e-11
"""Relative to 1 + |value|: more than the rounding of an objective evaluated in floats."""
COSTLY_SHARE = 4
"""Costly routes see one drawn configuration in this many."""
SHRINKING = 50
"""Configurations drawn at least, once a violation is known, to find a smaller one."""

Progress = Callable[[ClaimResult], None]


class Violated(AssertionError):
    """A relation of the claim fails on a configuration inside the hypotheses."""

    def __init__(self, problem: Problem, finding: Finding, route: str) -> None:
        super().__init__(f"{route}: observed {finding.observed}, predicted {finding.predicted}")
        self.problem, self.finding, self.route = problem, finding, route


class Checker:
    """One claim under examination: tallies, the first violation, the time budget."""

    def __init__(
        self,
        claim: Claim,
        routes: Sequence[str],
        seed: int,
        timeout: float,
        related: frozenset[str],
        certificates: Path | None = None,
    ) -> None:
        self.claim, self.seed = claim, seed
        self.avoid = related | {claim.id}
        names = routes_of(claim)
        limit = claim.kind == "limit"
        self.tallies = {name: Tally(name, limit=limit) for name in names if name in routes}
        self.deadline = time.monotonic() + timeout
        self.seen: dict[Problem, None] = {}
        self.violation: Violated | None = None
        self.keeper = Keeper(certificates) if certificates and "enclosure" in self.tallies else None

    @property
    def left(self) -> float:
        """Seconds of the time budget that are left."""
        return self.deadline - time.monotonic()

    def visit(self, problem: Problem, costly: bool) -> None:
        """Judge one configuration on the routes that apply; raise :class:`Violated` at the first violation."""
        if self.left < 0:
            raise OutOfTime
        if self.violation is not None:
            self._retry(problem, self.violation.route)
            return
        self.seen.setdefault(problem)
        for route, tally in self.tallies.items():
            if not tally.crashed and (costly or route not in COSTLY):
                self._ask(problem, route, tally)

    def _ask(self, problem: Problem, route: str, tally: Tally) -> None:
        start = time.process_time()
        try:
            findings = findings_for(self.claim, problem, route, self.seed, self.avoid)
        except Exception as error:  # a crash of a route or of a claim's reader is a verdict, not a crash of the run
            tally.crashed = f"{type(error).__name__}: {error} (at {problem.canonical()})"
            return
        finally:
            tally.seconds += time.process_time() - start
        optimum = optimum_for(self.claim, problem, route, self.seed, self.avoid)
        if conflict := self._conflict(problem, route, optimum):
            tally.crashed = conflict
            return
        tally.add(problem, findings, "" if self._complete(findings, optimum) else optimum.reason)
        tally.starts += optimum.work.get("starts", 0)
        tally.hits += optimum.work.get("hits", 0)
        tally.uses |= optimum.uses
        tally.relies_on = tally.uses & self.avoid
        says = route == "enclosure" and self.claim.along is None and any(f.outcome != "undecided" for f in findings)
        if self.keeper and says:
            self.keeper.keep(self.claim, problem, optimum)
        self._raise_on(problem, findings, route)

    def _complete(self, findings: Sequence[Finding], optimum: Optimum) -> bool:
        """Whether a route with both bounds showed every relation: what else it does not know is then no hindrance."""
        bounded = optimum.lower is not None and optimum.upper is not None
        return bounded and {f.relation for f in findings} == set(range(len(self.claim.relations)))

    def _conflict(self, problem: Problem, route: str, optimum: Optimum) -> str:
        """No route may contradict the bounds that the kernel proves, or break a law of stationary points."""
        if self.claim.along is not None:
            return ""
        broken = self._outside(problem, route, optimum) or broken_law(optimum)
        return broken and f"impossible: {broken}"

    def _outside(self, problem: Problem, route: str, optimum: Optimum) -> str:
        """Where a route goes below the lower bound that the kernel proves, or proves a bound above its upper one."""
        proved = self.tallies.get("enclosure")
        if route == "enclosure" or proved is None or proved.crashed:
            return ""
        known = optimum_for(self.claim, problem, "enclosure", self.seed, self.avoid)
        pairs = ((known.lower, optimum.upper, "value"), (optimum.lower, known.upper, "lower bound"))
        for low, high, name in pairs:
            if low is not None and high is not None and low - high > IMPOSSIBLE * (1 + abs(high)):
                return f"its {name} contradicts the enclosure (at {problem.canonical()})"
        return ""

    def _retry(self, problem: Problem, route: str) -> None:
        """While Hypothesis shrinks: only the route that found the violation; a crash is no smaller violation."""
        found = heard(lambda name: findings_for(self.claim, problem, name, self.seed, self.avoid), route)
        self._stands(problem, found, route)

    def _stands(self, problem: Problem, findings: Iterable[Finding], route: str) -> Standing | None:
        """What becomes of the violations that a route sees; raises :class:`Violated` if one stands."""
        seen = [(finding, route) for finding in findings if finding.outcome == "violated"]
        found = self.standing(problem, seen) if seen else None
        if found is not None and found.outcome == "violated":
            self.violation = Violated(problem, found.finding, found.route)
            raise self.violation
        return found

    def _raise_on(self, problem: Problem, findings: Iterable[Finding], route: str) -> None:
        """Stop at a violation that stands; one that does not is an error of its route, or to be looked at."""
        found, tally = self._stands(problem, findings, route), self.tallies[route]
        if found is not None and found.outcome == "contradicted":
            wrong = Violated(problem, found.finding, route)
            tally.crashed = f"contradicts the enclosure: {wrong} (at {problem.canonical()})"
        elif found is not None:
            tally.suspicion = tally.suspicion or f"{found.reason} (at {problem.canonical()})"

    def standing(self, problem: Problem, suspicions: Sequence[Suspicion], kernel: bool = True) -> Standing:
        """Whether violations stand, by the routes asked for here and by the others alike."""

        def ask(route: str) -> list[Finding]:
            return findings_for(self.claim, problem, route, self.seed, self.avoid)

        def uses(route: str) -> frozenset[str]:
            return optimum_for(self.claim, problem, route, self.seed, self.avoid).uses

        return standing(self.claim, problem, suspicions, ask, uses, kernel)

    def explore(self, examples: int) -> None:
        """Cases of hunts and fixed problems, at both sides of every threshold; then Hypothesis draws and shrinks.

        ``violation`` is then the smallest one found. Costly routes see the settings as they are, and a share of the
        small drawn problems.

        Raises
        ------
        OutOfTime
            If the budget is spent and no violation is known.
        """
        claim = self.claim
        fixed = {*claim.settings, claim.witness}
        try:
            with time_limit(self.left):
                with suppress(Violated):
                    for problem in (*filter(claim.applies, cases.hunted(claim.id)), *probes(claim)):
                        self.visit(problem, costly=problem in fixed and problem.K <= MODERATE)
                if claim.family is not None and examples > 0:
                    self._draw(claim.family, max(examples, SHRINKING if self.violation else 0))
        except (Violated, OutOfTime, Flaky):
            if self.violation is None:
                raise

    def confirm(self) -> None:
        """Ask the other routes about the smallest violating problem.

        A violation that one route alone sees elsewhere needs no look any more.
        """
        if self.violation is None:
            return
        problem, first = self.violation.problem, self.violation
        for route, tally in self.tallies.items():
            affordable = problem.K <= MODERATE or route not in COSTLY
            if route == first.route:
                tally.violate(problem, [first.finding])
            elif affordable and not tally.crashed:
                with suppress(Violated):
                    self._ask(problem, route, tally)
            tally.suspicion = ""
        self.violation = first

    def keep_counterexample(self) -> None:
        """Of a refuted claim only the certificates of its counterexample matter."""
        if not self.keeper or self.violation is None:
            return
        self.keeper, problem = Keeper(self.keeper.folder), self.violation.problem
        for scale in LIMIT_SCALES if self.claim.along else LIMIT_SCALES[:1]:
            optimum = optimum_for(self.claim, problem, "enclosure", self.seed, self.avoid, scale)
            if self.violation.route == "enclosure" or optimum.lower is not None:
                self.keeper.keep(self.claim, problem, optimum)

    def _draw(self, family: Family, examples: int) -> None:
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.target, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        )
        @seeded(self.seed)
        @given(problems(family))
        def attempt(problem: Problem) -> None:
            assume(self.claim.applies(problem))
            self.visit(problem, costly=len(self.seen) % COSTLY_SHARE == 0 and problem.K <= SMALL)
            errors = [t.error for t in self.tallies.values() if t.error]
            if errors:
                target(max(errors), label="worst residual")

        with suppress(Unsatisfiable):  # nothing drawn satisfies the hypotheses: counted, not crashed
            attempt()


def check(
    claim: Claim,
    *,
    examples: int = PROFILES["dev"],
    seed: int = 0,
    routes: Sequence[str] | None = None,
    mutants: bool = True,
    timeout: float = 600.0,
    related: frozenset[str] = frozenset(),
    certificates: Path | None = None,
) -> ClaimResult:
    """Check one claim on every route; plain data, no printing.

    Parameters
    ----------
    claim : the claim.
    examples : drawn configurations, beside the claim's own settings.
    seed : seed of Hypothesis and of random starts.
    routes : names to use (default all: symbolic, enclosure, exact, nonconvex, convex).
    mutants : whether to judge the mutants too.
    timeout : seconds after which the verdict is ``timeout``.
    related : IDs of the claims that this one rests on; routes must not rely on them.
    certificates : folder in which the certificates of the enclosure route are kept, default none.

    Returns
    -------
    ClaimResult

    Examples
    --------
    >>> from verify.registry import load
    >>> check(load()["HL23-04"], examples=1, routes=["symbolic", "enclosure"], mutants=False).verdict
    'proved'
    """
    start = time.process_time()
    names = tuple(routes or ("symbolic", *SOLVERS))
    checker = Checker(claim, names, seed, timeout, related, certificates)
    rows: dict[str, RouteResult] = {}
    assumes: list[str] = []
    stopped: tuple[Verdict, str] | None = None
    summary, resolution = MutantSummary(total=0, killed=0, survivors=[]), None
    with threadpool_limits(1):
        try:
            if claim.status != "note":
                checker.explore(examples)
            checker.confirm()
            checker.keep_counterexample()
            if "symbolic" in names:
                rows["symbolic"], assumes = prove(claim)
            if mutants and checker.violation is None and claim.status != "note":
                with time_limit(checker.left):
                    summary, resolution = judge_mutants(claim, seed=seed, avoid=checker.avoid)
        except OutOfTime:
            stopped = "timeout", f"stopped after {counted(len(checker.seen), 'configuration')}"
        except Exception as error:  # a claim whose own code fails is a verdict, not a crash of the run
            stopped = "error", f"{type(error).__name__}: {error}"
    rows |= {name: tally.result() for name, tally in checker.tallies.items()}
    verdict, reason = _verdict(claim, checker, rows, stopped)
    return ClaimResult(
        id=claim.id,
        title=claim.title,
        kind=claim.kind,
        paper=claim.paper,
        status=claim.status,
        verdict=verdict,
        required=None if claim.status == "note" else claim.required,
        assumes=assumes,
        configurations=len(checker.seen),
        routes=rows,
        agreement=agreement(checker.tallies.values()),
        at_equality=_at_equality(checker.tallies.values()),
        mutants=summary,
        resolution=resolution,
        counterexample=_case(claim, checker.violation),
        reason=reason,
        seconds=round(time.process_time() - start, 3),
        certificates=_certificates(claim, checker, rows, stopped),
    )


def _certificates(
    claim: Claim, checker: Checker, rows: dict[str, RouteResult], stopped: tuple[Verdict, str] | None
) -> ClaimCertificates | None:
    """What the enclosure rests on, and the verdict without it."""
    if checker.keeper is None or claim.status == "note" or (claim.along and checker.violation is None):
        return None
    silent = rows["enclosure"].model_copy(update={"verdict": "undecided", "reason": "not counted"})
    verdict, reason = _verdict(claim, checker, rows | {"enclosure": silent}, stopped)
    seen = checker.violation
    if seen is not None and checker.standing(seen.problem, [(seen.finding, seen.route)], False).outcome != "violated":
        verdict, reason = "undecided", "its counterexample is not borne out by a file"
    return checker.keeper.evidence(verdict or "undecided", reason)


def _verdict(
    claim: Claim, checker: Checker, rows: dict[str, RouteResult], stopped: tuple[Verdict, str] | None
) -> tuple[Verdict | None, str]:
    if claim.status == "note":
        return None, ""
    if stopped is not None and checker.violation is None:
        return stopped
    if not checker.seen:
        return "vacuous", "no configuration satisfies the hypotheses"
    return claim_verdict(rows, checker.tallies, claim.relations)


def _case(claim: Claim, violation: Violated | None) -> Case | None:
    if violation is None:
        return None
    relation = str(claim.relations[violation.finding.relation])
    return cases.build(claim.id, violation.problem, violation.finding, violation.route, relation)


def _at_equality(tallies: Iterable[Tally]) -> str:
    for tally in tallies:
        if tally.ties:
            decided = f"{tally.ties_decided} decided by an exact rational rule (a gap cannot decide a tie)"
            return f"{counted(tally.ties, 'configuration')} exactly at a threshold, {decided}"
    return ""


def reached(result: ClaimResult) -> bool:
    """Whether a result reaches the verdict that its claim requires and leaves no mutant alive."""
    if result.verdict is None:
        return True
    if result.mutants.survivors:
        return False
    if result.status == "refuted" or result.required == "refuted":
        return result.verdict == "refuted"
    return RANK.get(result.verdict, -1) >= RANK[result.required or "agrees"]


def run(
    claims: Sequence[Claim],
    *,
    examples: int = PROFILES["dev"],
    seed: int = 0,
    jobs: int = 1,
    routes: Sequence[str] | None = None,
    mutants: bool = True,
    timeout: float = 600.0,
    paths: Sequence[Path] = (),
    progress: Progress | None = None,
    certificates: Path | None = None,
) -> RunResult:
    """Check claims, on several processes if asked; results come in the order of ``claims``.

    With a folder ``certificates`` those of the enclosure route are left there; :func:`verify.certified.settle` judges
    them.

    An interrupt (Ctrl-C) keeps the claims that were finished: the result holds only those.
    """
    options: dict[str, object] = {
        "examples": examples,
        "seed": seed,
        "routes": routes,
        "mutants": mutants,
        "timeout": timeout,
        "certificates": certificates,
    }
    finished: dict[str, ClaimResult] = {}

    def keep(result: ClaimResult) -> None:
        finished[result.id] = result
        if progress is not None:
            progress(result)

    try:
        if jobs == 1:
            known = registry.load(paths, [claim.id for claim in claims])
            for claim in claims:
                keep(check(claim, related=registry.related(known, claim.id), **options))  # type: ignore[arg-type]
        else:
            _run_parallel([claim.id for claim in claims], options, jobs, paths, keep)
    except KeyboardInterrupt:
        pass
    results = [finished[claim.id] for claim in claims if claim.id in finished]
    return RunResult(
        seed=seed,
        examples=examples,
        environment=environment(),
        claims=results,
        summary=summarise(results),
    )


def _run_parallel(
    identifiers: Sequence[str], options: dict[str, object], jobs: int, paths: Sequence[Path], keep: Progress
) -> None:
    each(partial(_check_by_id, options=options, paths=tuple(paths)), identifiers, jobs, keep)


def _check_by_id(identifier: str, options: dict[str, object], paths: Sequence[Path]) -> ClaimResult:
    known = registry.load(paths, [identifier])
    related = registry.related(known, identifier)
    return check(known[identifier], related=related, **options)  # type: ignore[arg-type]


def summarise(results: Iterable[ClaimResult]) -> dict[str, int]:
    """Count per verdict."""
    counts: dict[str, int] = {}
    for result in results:
        counts[result.verdict or "note"] = counts.get(result.verdict or "note", 0) + 1
    return dict(sorted(counts.items()))


def environment() -> dict[str, object]:
    """Versions and machine, for the report."""
    packages = ("ufmcheck", "cvxpy", "clarabel", "scs", "hypothesis", "numpy", "python-flint", "scipy", "sympy")
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in packages},
    }
