"""The source asks no system for what it may not have: text is UTF-8 with line feeds everywhere, POSIX is used where it was looked for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import organza

ROOT = Path(organza.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
POSIX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog"}
POSIX_NAMES = {
    "os": {
        "sysconf", "fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "getpgid", "killpg", "setsid", "mkfifo", "mknod", "statvfs",
        "uname", "getloadavg", "sched_getaffinity", "fchmod", "chown", "nice", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY",
        "O_BINARY", "startfile",
    },
    "signal": {"SIGHUP", "SIGKILL", "SIGPIPE", "SIGALRM", "SIGUSR1", "SIGBREAK", "setitimer", "pthread_sigmask", "alarm"},
    "time": {"tzset", "clock_gettime"},
}  # fmt: skip
WRITES = set("wax+")


def named(call: ast.Call) -> set[str | None]:
    return {keyword.arg for keyword in call.keywords}


def mode_of(call: ast.Call, place: int) -> str:
    """The mode of a call of open, "r" without one; nothing where it is no constant, as of another open."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "mode"] + call.args[place : place + 1]
    if not given:
        return "r"
    return given[0].value if isinstance(given[0], ast.Constant) and isinstance(given[0].value, str) else ""


def unclear_text(tree: ast.AST) -> Iterator[int]:
    """The lines where text is read or written in an encoding, or with ends of lines, that depend on the system."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name == "read_text" and not call.args and "encoding" not in named(call):
            yield call.lineno
        if name == "write_text" and not {"encoding", "newline"} <= named(call):
            yield call.lineno
        if name in ("open", "fdopen"):
            through = ast.unparse(call.func)
            if through in ("os.open", "Image.open", "archive.open", "zipfile.open"):
                continue
            mode = mode_of(call, 1 if through in ("open", "os.fdopen", "gzip.open") else 0)
            text = mode and "b" not in mode and (through != "gzip.open" or "t" in mode)
            needed = {"encoding", "newline"} if WRITES & set(mode) else {"encoding"}
            if text and not needed <= named(call):
                yield call.lineno


def unlooked_for(tree: ast.AST) -> Iterator[str]:
    """What is used of one system alone, outside of an `if sys.platform`, a `hasattr` and a `try`."""
    guarded = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp) and (
            "platform" in ast.unparse(node.test) or "hasattr" in ast.unparse(node.test)
        ):
            guarded |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in POSIX_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in POSIX_MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Attribute) and node.attr in POSIX_NAMES.get(ast.unparse(node.value), ()):
            yield ast.unparse(node)


@cache
def trees() -> dict[str, ast.AST]:
    """The syntax trees of all files, by name."""
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def test_text_is_utf8_with_line_feeds():
    assert len(trees()) > 150
    assert {name: lines for name, tree in trees().items() if (lines := list(unclear_text(tree)))} == {}


def test_nothing_is_used_that_one_system_lacks():
    assert {name: used for name, tree in trees().items() if (used := list(unlooked_for(tree)))} == {}


@pytest.mark.parametrize(
    "line",
    [
        "p.read_text()",
        'p.write_text("x", encoding="utf-8")',
        'p.open("w")',
        "open(p)",
        'open(p, "a", encoding="utf-8")',
        'gzip.open(p, "rt")',
    ],
)
def test_the_guard_sees_text_that_depends_on_the_system(line: str):
    assert list(unclear_text(ast.parse(line))) == [1]


@pytest.mark.parametrize(
    "line",
    [
        "import fcntl",
        "from pwd import getpwuid",
        "os.sysconf('x')",
        "signal.signal(signal.SIGHUP, f)",
        "f = os.O_NOFOLLOW",
    ],
)
def test_the_guard_sees_what_one_system_lacks(line: str):
    assert len(list(unlooked_for(ast.parse(line)))) == 1
