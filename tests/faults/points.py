"""The package's failpoints, seen by tests: armed in this process, and read out of its source."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from pathlib import Path

from multidb import failpoints


@contextlib.contextmanager
def armed(order: str) -> Iterator[None]:
    """Inside, this process's failpoints follow the order, such as "write.before_commit:2=full".

    Only `full` is for here, which raises ENOSPC; to kill or stop, `Child(failpoint=...)`.
    """
    if not order.endswith("=full"):
        raise ValueError(f"{order} would stop the test run; pass it to Child(failpoint=...)")
    failpoints.arm(order)
    try:
        yield
    finally:
        failpoints.arm(None)


def reached_names(package: Path) -> dict[str, list[str]]:
    """Every name that the source below the folder reaches, with the files; "" is one that is not literal."""
    found: dict[str, list[str]] = {}
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _called_name(node) == "reach":
                argument = node.args[0] if node.args else None
                literal = argument.value if isinstance(argument, ast.Constant) else ""
                found.setdefault(str(literal), []).append(str(path.relative_to(package)))
    return found


def _called_name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
