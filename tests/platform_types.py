"""Print the files that the types of another system can change, for `make test`; `make test-long` checks all files for all systems.

python -m tests.platform_types src examples     # files and folders to look through

Pyright's stubs of the standard library define some names under a condition of the system. A file is printed if it uses such a name
of a module that it imports, or what some systems lack of a path, a file's state or an error; if it asks for the system itself; or if
it imports a package whose types differ. Files that merely import such a module cost pyright as much time again, and differ in nothing.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

PACKAGES = {"psutil", "filelock"}
"""Packages whose own types differ between systems."""
TRAVEL = {"builtins", "os", "pathlib"}
"""Modules whose objects (errors, paths, the state of a file) are used in files that import none of them."""
ASKED = {"sys.platform", "os.name"}


def stubs() -> Path:
    """The folder of the standard library's stubs in pyright's package."""
    spec = find_spec("pyright")
    folder = Path(str(spec and spec.origin)).parent / "dist/dist/typeshed-fallback/stdlib"
    if not folder.is_dir():
        raise SystemExit(
            f"{folder} is missing, so nobody knows which types another system changes: pip install --upgrade pyright"
        )
    return folder


def conditional(body: list[ast.stmt], inside: bool = False, member: bool = False) -> Iterator[tuple[str, bool]]:
    """The names that a stub defines under a condition of the system, and whether each is a member of a class.

    >>> list(conditional(ast.parse("if sys.platform != 'win32':\\n  def fork(): ...\\nx = 1").body))
    [('fork', False)]
    """
    for node in body:
        match node:
            case ast.If():
                there = inside or "sys.platform" in ast.unparse(node.test)
                yield from conditional([*node.body, *node.orelse], there, member)
            case ast.ClassDef():
                if inside:
                    yield node.name, member
                if not inside:
                    yield from conditional(node.body, inside, member=True)
            case ast.FunctionDef() | ast.AsyncFunctionDef() if inside:
                yield node.name, member
            case ast.Assign() | ast.AnnAssign() if inside:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from ((name.id, member) for t in targets for name in ast.walk(t) if isinstance(name, ast.Name))
            case ast.Import() | ast.ImportFrom() if inside:
                yield from ((alias.asname or alias.name, member) for alias in node.names)


def differing(root: Path) -> tuple[dict[str, set[str]], set[str]]:
    """The names of each top module that differ between systems, and the names of such members of what travels."""
    names, methods = defaultdict[str, set[str]](set), set[str]()
    for file in root.rglob("*.pyi"):
        module, text = file.relative_to(root).with_suffix("").parts[0], file.read_text(encoding="utf-8")
        for name, member in conditional(ast.parse(text).body) if "sys.platform" in text else ():
            names[module].add(name)
            if member and module in TRAVEL and not name.startswith("__"):
                methods.add(name)
    return names, methods


def differs(source: str, names: dict[str, set[str]], methods: set[str]) -> bool:
    """True if the types of another system can change a file.

    >>> [differs(text, {"os": {"fork"}}, {"owner"}) for text in ("import os; os.fork()", "import os; os.open", "path.owner()")]
    [True, False, True]
    """
    imported, used = set[str](), set[str]()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            case ast.ImportFrom(module=str(module), level=0):
                imported.add(module.partition(".")[0])
                used |= {alias.name for alias in node.names}
            case ast.Attribute():
                used.add(node.attr)
                if node.attr in methods or (
                    isinstance(node.value, ast.Name) and f"{node.value.id}.{node.attr}" in ASKED
                ):
                    return True
    return bool(imported & PACKAGES) or any(used & names.get(module, set()) for module in imported)


def main() -> None:
    names, methods = differing(stubs())
    for place in map(Path, sys.argv[1:]):
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            if differs(file.read_text(encoding="utf-8"), names, methods):
                print(file)


if __name__ == "__main__":
    main()
