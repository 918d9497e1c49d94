"""What there is to run: ``nox -l`` lists it, ``nox -s NAME`` runs one.

Each session makes an environment of its own. What it needs stands in the dependency groups of ``pyproject.toml``.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import nox

CI = os.environ.get("CI", "").lower() == "true"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
GROUPS = nox.project.load_toml("pyproject.toml")
# Tests that need nothing but the package, pytest and hypothesis: no client, no runtime, no server.
UNIT = [
    "tests/_core",
    "tests/_shells",
    "tests/conformance",
    "tests/policies",
    "tests/propagation",
    "tests/regressions",
    *map(str, sorted(pathlib.Path("tests").glob("test_pipeline*.py"))),
    "tests/test_policy.py",
    *map(str, sorted(pathlib.Path("tests").glob("test_testing*.py"))),
]

nox.options.sessions = ["tests", "lint", "types", "coverage", "docs"]
nox.options.error_on_missing_interpreters = CI
nox.options.reuse_existing_virtualenvs = not CI


def _works(version: str) -> bool:
    """Whether there is such an interpreter, and not merely a file of its name."""
    found = shutil.which(f"python{version}")
    return found is not None and subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode == 0


MAIN = "3.11" if CI or _works("3.11") else HERE
OTHERS = [version for version in ("3.12", "3.13") if version != MAIN and (CI or _works(version))]


def _install(session: nox.Session, *groups: str, extra: str = "") -> None:
    """The groups, and the package as it stands in the tree."""
    wanted = sorted({one for group in groups for one in nox.project.dependency_groups(GROUPS, group)})
    session.install("--quiet", *wanted, "-e", f".{extra}")


@nox.session(python=MAIN)
def demo(session: nox.Session) -> None:
    """A function and a service survive an outage: the shop, with svcgov and without, in under a minute."""
    _install(session, "demo")
    session.run("python", "examples/shop", *session.posargs)


@nox.session
@nox.parametrize(
    ("python", "extent"),
    [(MAIN, "everything"), *((version, "unit") for version in OTHERS), (MAIN, "bare")],
    ids=[f"everything-{MAIN}", *(f"unit-{version}" for version in OTHERS), f"bare-{MAIN}"],
)
def tests(session: nox.Session, extent: str) -> None:
    """Everything on one version, all that needs no server on the others, and the unit tests where nothing else is installed."""
    _install(session, "tests" if extent == "everything" else extent)
    where = UNIT if extent == "bare" else ["tests"]
    without = ["--ignore=tests/runtimes", "--ignore=tests/engines", "--ignore=tests/typing"] if extent == "unit" else []
    few = ["-m", "not extras"] if extent == "bare" else []
    session.run("pytest", "-q", *where, *without, *few, *session.posargs)


@nox.session(python=MAIN)
def lint(session: nox.Session) -> None:
    """The rules of ruff, and its form; ``nox -s lint -- --fix`` mends what can be mended."""
    session.install("--quiet", *nox.project.dependency_groups(GROUPS, "lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", *([] if session.posargs else ["--check"]))


@nox.session(python=MAIN)
def types(session: nox.Session) -> None:
    """Strict types inside, complete types outside."""
    _install(session, "types")
    session.run("mypy")
    session.run("pyright", "--verifytypes", "svcgov", "--ignoreexternal")


@nox.session(python=MAIN)
def coverage(session: nox.Session) -> None:
    """Branch coverage of the package by all tests; the gate is in ``pyproject.toml``."""
    _install(session, "tests")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "-q", *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session(python=MAIN)
def docs(session: nox.Session) -> None:
    """The documentation; warnings are errors, and every Python example in it runs."""
    _install(session, "docs")
    session.run("pytest", "-q", *map(str, sorted(pathlib.Path("tests").glob("test_docs*.py"))))
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session(python=MAIN)
def bench(session: nox.Session) -> None:
    """What a governed call costs, beside what people assemble today; writes ``docs/benchmarks.md``."""
    _install(session, "bench")
    session.run("python", "tests/benchmarks/run.py", *session.posargs)


@nox.session(python=MAIN)
def examples(session: nox.Session) -> None:
    """Each example with the real part of its platform, in about a minute; names of some as arguments."""
    _install(session, "examples")
    session.run("python", "examples/run.py", *session.posargs)


@nox.session(python=MAIN)
def mutation(session: nox.Session) -> None:
    """Whether the tests notice what is changed; long; writes ``docs/mutation.md``. Files as arguments: those alone, printed."""
    _install(session, "mutation")
    if not session.posargs:
        shutil.rmtree("mutants", ignore_errors=True)
    few = [one.removeprefix("src/").removesuffix(".py").replace("/", ".") + ".*" for one in session.posargs]
    session.run("mutmut", "run", "--max-children", "2", *few, env={"PYTHONPATH": "tests/mutation"})
    session.run("python", "tests/mutation/report.py")


@nox.session(python=MAIN)
def proof(session: nox.Session) -> None:
    """A registry in a file, and all that can happen to it, in two quiet minutes; writes ``docs/registry-proof.md``."""
    _install(session)
    session.run("python", "tests/registry/proof.py", *(session.posargs or ["--write"]))


@nox.session(python=MAIN)
def build(session: nox.Session) -> None:
    """The wheel and the source archive; the wheel is tested in an empty environment."""
    session.install("--quiet", *nox.project.dependency_groups(GROUPS, "build"))
    made = pathlib.Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(made, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(made))
    (wheel,) = made.glob("*.whl")
    session.install("--quiet", str(wheel), *nox.project.dependency_groups(GROUPS, "bare"))
    session.chdir(session.create_tmp())
    session.run("svcgov", "--version")
    session.run("svcgov", "show")
    tree = pathlib.Path(__file__).parent
    session.run(
        "pytest", "-q", "-m", "not extras", "-o", "pythonpath=tests", f"--rootdir={tree}", *(str(tree / one) for one in UNIT)
    )
