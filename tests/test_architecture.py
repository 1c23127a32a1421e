"""The house rules that a machine can hold: floors, no circles, one room that knows APSW."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "multidb"

FLOORS: tuple[frozenset[str], ...] = tuple(
    frozenset(rooms.split())
    for rooms in (
        "errors version failpoints",
        "concerns reports files log",  # words
        "settings places claims",
        "refusals",
        "locks site",
        "engine",  # the only room that imports apsw
        "lifecycle verbs foreign",
        "database",  # the thread rules
        "registry",
        "schema backup health crossdb search transfer",  # rooms: siblings never import each other
        "manager",  # the desk
        "cli web",  # doors
    )
)
FLOOR_OF = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))
INSIDE = [path for path in MODULES if path.parent != PACKAGE or not path.name.startswith("__")]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def is_for_types_only(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imported_modules(path: Path) -> set[str]:
    """What a module imports when it runs; imports for type checkers alone are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {inner for node in ast.walk(tree) if is_for_types_only(node) for inner in ast.walk(node)}  # type: ignore[arg-type]
    known = {module_name(module) for module in MODULES}
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= deeper & known or {node.module}
    return found


@pytest.mark.parametrize("path", INSIDE, ids=module_name)
def test_imports_only_go_down(path: Path) -> None:
    """A room imports what stands on lower floors and itself, never a sibling and never upwards."""
    room = room_of(module_name(path))
    ours = {name for name in imported_modules(path) if name.split(".")[0] == "multidb"}
    above = {
        name
        for name in ours
        if room_of(name) != room and (room_of(name) == "" or FLOOR_OF[room_of(name)] >= FLOOR_OF[room])
    }

    assert set() == above


def test_every_room_has_a_floor() -> None:
    """A new room is put on a floor before it is furnished."""
    rooms = {room_of(module_name(path)) for path in INSIDE}

    assert set() == rooms - set(FLOOR_OF)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_only_the_engine_knows_apsw(path: Path) -> None:
    """Another room that needs a word of SQLite's asks the engine for it."""
    strangers = {name for name in imported_modules(path) if name.split(".")[0] in ("apsw", "sqlite3", "sqlite_vec")}

    assert set() == strangers or room_of(module_name(path)) == "engine"
    assert "sqlite3" not in strangers


def test_there_are_no_import_circles() -> None:
    """Modules can be read from the bottom up."""
    graph = {module_name(path): imported_modules(path) for path in INSIDE}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for other in sorted(graph.get(name, set())):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_no_function_imports_a_room_of_ours() -> None:
    """An import inside a function hides a missing floor; doors may be opened late, for the start-up time."""
    hidden = [
        f"{module_name(path)}: {ast.unparse(inner)}"
        for path in INSIDE
        if room_of(module_name(path)) not in ("cli", "web")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.ImportFrom) and (inner.module or "").startswith("multidb")
    ]

    assert [] == hidden


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    """The first line of a module tells a stranger what the room holds."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
