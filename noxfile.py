"""What a change must pass (default sessions) and what runs at night (``nox -s mutants``)."""

import nox

nox.options.sessions = ["lint", "types", "tests"]


def install(session: nox.Session) -> None:
    """The project with its development tools, at the pinned versions."""
    session.install("-c", "constraints.txt", "-e", ".[dev]")


@nox.session
def tests(session: nox.Session) -> None:
    """Every registered claim on every route, and the tests of the checker itself."""
    install(session)
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Rules and formatting."""
    install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types of theory/ and verify/."""
    install(session)
    session.run("mypy")


@nox.session
def mutants(session: nox.Session) -> None:
    """Every mutant of every claim on every route that can kill it (nightly)."""
    install(session)
    session.run("verify", "mutants", *session.posargs)
