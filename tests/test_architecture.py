"""The house keeps its shape: imports point down, files stay short, nothing heavy is loaded unasked."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "chiasm"

# A room imports only from rooms above it; rooms of one line are peers.
ROOMS = [
    {"errors", "array_types", "checks", "numerics", "metrics", "measures"}
    | {"named", "storage", "lazy", "config"},
    {"rows"},
    {"train"},
    {"encode"},
    {"align"},
    {"heads"},
    {"fuse"},
    {"index"},
    {"translate"},
    {"judge"},
    {"plugins"},
    {"model"},
    {"cli", "demo", "serve"},
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}

MAX_FILE, MAX_FUNCTION = 300, 60
LONG_FILES: dict[str, str] = {}  # path within the package: why it may be longer

HEAVY = {"numpy", "scipy", "sklearn", "pyarrow", "torch", "faiss"}


@dataclass(frozen=True)
class Import:
    """`source` imports `target`, both dotted names within the package ("rows.readers"; "" is the package)."""

    source: str
    target: str
    line: int
    typing_only: bool

    def __str__(self) -> str:
        return f"{self.source or 'chiasm'}:{self.line} imports {self.target}"


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@cache
def modules() -> dict[str, ast.Module]:
    return {module_name(p): ast.parse(p.read_text("utf-8"), str(p)) for p in sorted(PACKAGE.rglob("*.py"))}


def room(module: str) -> str:
    return module.split(".")[0]


def is_typing_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def import_nodes(node: ast.AST, typing_only: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Every import statement below `node`, and whether only a type checker sees it."""
    if isinstance(node, ast.If) and is_typing_block(node):
        for child in node.body:
            yield from import_nodes(child, True)
        for child in node.orelse:
            yield from import_nodes(child, typing_only)
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, typing_only
    for child in ast.iter_child_nodes(node):
        yield from import_nodes(child, typing_only)


def targets(node: ast.stmt, known: frozenset[str]) -> Iterator[str]:
    """The package's own modules that one import statement names."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: write the import absolutely"
        inner = [f"{node.module}.{alias.name}" for alias in node.names]
        names = [name if name.removeprefix("chiasm.") in known else str(node.module) for name in inner]
    for name in names:
        if name == "chiasm" or name.startswith("chiasm."):
            yield name.removeprefix("chiasm").removeprefix(".")


def imports(trees: dict[str, ast.Module]) -> list[Import]:
    known = frozenset(trees)
    return [
        Import(source, target, node.lineno, typing_only)
        for source, tree in trees.items()
        for node, typing_only in import_nodes(tree)
        for target in targets(node, known)
    ]


def pointing_up(edges: list[Import]) -> list[str]:
    """Imports of a room from one below it. The package's own `__init__` may name any room."""
    return [str(e) for e in edges if e.source and e.target and LEVEL[room(e.source)] < LEVEL[room(e.target)]]


def cycle(edges: list[Import]) -> list[str]:
    """One cycle of modules, empty where there is none; what only a type checker imports does not count."""
    graph: dict[str, set[str]] = {}
    for e in edges:
        if not e.typing_only and e.target and e.source != e.target:
            graph.setdefault(e.source, set()).add(e.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_module_has_a_room() -> None:
    homeless = [m for m in modules() if m and room(m) not in LEVEL]
    assert not homeless, f"{homeless} have no place in ROOMS and docs/architecture.md"


def test_the_documented_order_is_the_enforced_one() -> None:
    table = [
        line for line in (ROOT / "docs/architecture.md").read_text("utf-8").splitlines() if line[:2] == "| "
    ]
    named = [re.findall(r"`(\w+)(?:\.py|/)?`", line.split("|")[1]) for line in table]
    levels = [LEVEL[name] for names in named for name in names]
    assert levels == sorted(levels)
    assert len(levels) > 10


def test_imports_point_down() -> None:
    assert pointing_up(imports(modules())) == []


def test_imports_form_no_cycle() -> None:
    assert cycle(imports(modules())) == []


def test_the_checks_see_a_wrong_import() -> None:
    trees = {
        "rows.readers": ast.parse("def f():\n    from chiasm import model"),
        "rows.schema": ast.parse("if TYPE_CHECKING:\n    from chiasm.rows.rows import Rows"),
        "rows.rows": ast.parse("import chiasm.rows.schema"),
        "model": ast.parse("from chiasm.rows.readers import read"),
    }
    edges = imports(trees)
    assert pointing_up(edges) == ["rows.readers:2 imports model"]
    assert set(cycle(edges)) == {"rows.readers", "model"}
    assert cycle([e for e in edges if room(e.source) == "rows"]) == []


def test_files_are_short() -> None:
    lengths = {
        str(p.relative_to(PACKAGE)): len(p.read_text("utf-8").splitlines()) for p in PACKAGE.rglob("*.py")
    }
    assert {name: n for name, n in lengths.items() if n > MAX_FILE and name not in LONG_FILES} == {}
    assert [name for name in LONG_FILES if lengths.get(name, 0) <= MAX_FILE] == [], "no longer long"


def test_functions_are_short() -> None:
    long = [
        f"{module}.{node.name}: {length} lines"
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - first_line(node) + 1) > MAX_FUNCTION
    ]
    assert long == []


def first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Where a function begins to do something: a door with many documented arguments is not long by that."""
    told = len(node.body) > 1 and ast.get_docstring(node) is not None
    return node.body[1 if told else 0].lineno


def unwanted(module: str, node: ast.AST) -> str:
    """What is wrong with one node, empty where nothing is."""
    match node:
        case ast.Call(func=ast.Name("print")) if room(module) not in ("cli", "demo"):
            return "print"
        case ast.Import(names=names) if any(room(n.name) in ("pickle", "dill", "joblib") for n in names):
            return "pickle"
        case ast.ImportFrom(module=str(name)) if room(name) in ("pickle", "dill", "joblib"):
            return "pickle"
        case ast.keyword(arg="allow_pickle", value=ast.Constant(True)):
            return "pickle"
        case ast.ExceptHandler(type=None):
            return "bare except"
        case ast.ExceptHandler(type=ast.Name("Exception" | "BaseException" as name)):
            return f"except {name}"
        case ast.Name("NotImplementedError"):
            return "NotImplementedError"
    return ""


def test_nothing_unwanted() -> None:
    found = [
        f"{module}:{getattr(node, 'lineno', '')} {what}"
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if (what := unwanted(module, node))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "print(1)",
        "import pickle",
        "from pickle import loads",
        "f(allow_pickle=True)",
        "raise NotImplementedError",
    ]
    + [f"try:\n    f()\n{handler}:\n    pass" for handler in ("except", "except Exception")],
)
def test_the_checks_see_what_is_unwanted(code: str) -> None:
    assert any(unwanted("rows.readers", node) for node in ast.walk(ast.parse(code)))


def loaded_by(code: str) -> set[str]:
    """The heavy packages that are loaded once `code` has run in a fresh interpreter."""
    script = f"{code}\nimport sys; sys.stderr.write('loaded ' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return HEAVY & set(done.stderr.split("loaded ", 1)[1].split())


def test_importing_chiasm_loads_nothing_heavy() -> None:
    assert loaded_by("import chiasm, chiasm.rows, chiasm.encode, chiasm.judge") == set()
    assert loaded_by("import numpy") == {"numpy"}


def test_help_loads_nothing_heavy() -> None:
    run = "import sys; sys.argv = ['chiasm', '--help']\nfrom chiasm.cli import main\n"
    assert loaded_by(run + "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code") == set()


def test_a_name_loads_no_more_than_it_needs() -> None:
    assert loaded_by("from chiasm.encode import Lexical, TextModel; Lexical()").isdisjoint({"torch", "faiss"})


def packages() -> list[str]:
    """The package and every room that is a folder."""
    return ["chiasm", *sorted(f"chiasm.{p.parent.name}" for p in PACKAGE.glob("*/__init__.py"))]


@pytest.mark.parametrize("package", packages())
def test_every_public_name_exists_and_has_a_docs_line(package: str) -> None:
    text = "\n".join(
        p.read_text("utf-8") for p in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    )
    module = importlib.import_module(package)
    names = getattr(module, "__all__", ())
    assert [name for name in names if not hasattr(module, name)] == []
    assert [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)] == []
