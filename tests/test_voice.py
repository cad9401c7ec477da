"""One voice: docstrings, argument lines, error texts and help lines keep the rules of CONTRIBUTING.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "organza"
FILES = sorted(SOURCE.rglob("*.py"))

FIRST_WORDS = {
    "can", "did", "do", "does", "had", "has", "have", "how", "if", "is", "are", "was", "were", "of", "what",
    "when", "where", "whether", "which", "who", "whose", "why",
}  # fmt: skip
"""Words that begin no docstring, no message and no help line."""

ARGUMENT_WORDS = FIRST_WORDS | {"as", "at", "by", "for", "from", "in", "on", "than", "that", "to", "with"}
"""Words that begin no argument line: it is a noun phrase that stands alone."""

UNSURE = re.compile(r"(?<![\w`.-])(pictures?|rehears\w+|sheets?)(?![\w`:=-]|\.\w| = |, \w+:)", re.IGNORECASE)
"""Words with another name in this project: image, autoencoder warm-up, sample grid."""

EXEMPT: tuple[str, ...] = ()
"""Packages and files that are still to be rewritten. Nothing may be added."""


def words_at_start(text: str) -> tuple[str, str]:
    """Return the first word, and the word after "the", in lower case.

    >>> words_at_start("The what of it")
    ('the', 'what')
    """
    words = re.findall(r"[A-Za-z']+", text.lower())[:2]
    first, second = [*words, "", ""][:2]
    return first, second if first == "the" else ""


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of each docstring: of modules, classes, functions, fields and constants."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.lineno, text


def argument_lines(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield name and description of each argument.

    >>> list(argument_lines("Return x.\\n\\nArgs:\\n    x: [N, ...]\\n    y: a number,\\n        or None\\n"))
    [('x', '[N, ...]'), ('y', 'a number,')]
    """
    section = re.search(r"^( *)(?:Args|Attributes):\n((?:\1 +.*\n|\s*\n)*)", docstring + "\n", re.MULTILINE)
    if section:
        lines = [line for line in section[2].splitlines() if line.strip()]
        margin = min(len(line) - len(line.lstrip()) for line in lines)
        for line in lines:
            match = re.match(rf" {{{margin}}}(\*{{0,2}}\w[\w, *]*): (.*)", line)
            if match:
                yield match[1], match[2]


def literal(node: ast.expr) -> str:
    """Return the text of a string expression, with X for each value that is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) if isinstance(part, ast.Constant) else "X" for part in node.values)
    if isinstance(node, ast.BinOp):
        return literal(node.left) + literal(node.right)
    return ""


def messages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of each error text and each help text that stands in a call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in ("UserError", "told", "told_but_memory", "say") and node.args:
                yield node.lineno, literal(node.args[0])
            for keyword in node.keywords:
                if keyword.arg in ("help", "description"):
                    yield node.lineno, literal(keyword.value)


def faults(path: Path) -> list[str]:
    """List the sentences of a file that break the rules."""
    tree = ast.parse(path.read_text())
    broken = []
    for line, docstring in docstrings(tree):
        text = re.sub(r"(?m)^ *(>>>|\.\.\.) .*$", "", docstring)  # examples are code
        first, second = words_at_start(text)
        if {first, second} & FIRST_WORDS:
            broken.append(f"{path.name}:{line}: begins with {first} {second}: {text.strip()[:60]}")
        for name, description in argument_lines(text):
            if {*words_at_start(description)} & ARGUMENT_WORDS:
                broken.append(f"{path.name}:{line}: {name} is no noun phrase: {description[:60]}")
        broken += [f"{path.name}:{line}: says {match[0]}" for match in UNSURE.finditer(text)]
    for line, text in messages(tree):
        if {*words_at_start(text)} & FIRST_WORDS:
            broken.append(f"{path.name}:{line}: begins with {words_at_start(text)[0]}: {text[:60]}")
        broken += [f"{path.name}:{line}: says {match[0]}" for match in UNSURE.finditer(text)]
    return broken


def exempt(path: Path) -> bool:
    """Return True if a file is still to be rewritten."""
    return any(path.relative_to(SOURCE).is_relative_to(name) for name in EXEMPT)


def test_docstrings_arguments_and_messages_keep_the_rules():
    assert len(FILES) > 150
    assert not [fault for path in FILES if not exempt(path) for fault in faults(path)]


def functions(tree: ast.AST, inside: bool = False) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, bool]]:
    """Yield each function, and True if it is a method."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, inside
        yield from functions(node, isinstance(node, ast.ClassDef))


def undocumented(tree: ast.AST, inherited: Collection[str]) -> Iterator[str]:
    """Yield the names of functions of more than five lines without a docstring. Exempt are special methods other than a call,
    and methods that override a documented one.
    """
    for node, is_method in functions(tree):
        special = node.name.startswith("__") and node.name != "__call__"
        lines = (node.end_lineno or 0) - node.body[0].lineno + 1
        if lines > 5 and not special and not ast.get_docstring(node) and not (is_method and node.name in inherited):
            yield f"{node.name} in line {node.lineno}"


def test_longer_functions_have_a_docstring():
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
    inherited = {
        node.name
        for tree in trees.values()
        for node, is_method in functions(tree)
        if is_method and ast.get_docstring(node)
    }
    assert not [f"{path.name}: {name}" for path, tree in trees.items() for name in undocumented(tree, inherited)]


def test_a_longer_function_without_a_docstring_is_found():
    body = "".join(f"        x = {line}\n" for line in range(6))
    named = [f"    def {name}(self):\n{body}" for name in ("f", "g", "__init__")]
    source = "".join(["class A:\n", *named, "    def h(self):\n        return 1\n"])
    assert list(undocumented(ast.parse(source), {"g"})) == ["f in line 2"]


def test_what_is_exempt_exists_and_breaks_a_rule():
    for name in EXEMPT:
        assert (SOURCE / name).exists(), f"{name} is gone: take it off the list"


def test_the_rules_find_what_they_forbid(tmp_path: Path):
    (tmp_path / "odd.py").write_text(
        '"""What it is."""\ndef f(seed):\n    """Return a picture.\n\n    Args:\n        seed: of it\n    """\n'
        '    raise UserError(f"Where {seed} is: no")\n'
    )
    assert [fault.split(": ")[1] for fault in faults(tmp_path / "odd.py")] == [
        "begins with what ",
        "seed is no noun phrase",
        "says picture",
        "begins with where",
    ]


QUOTING = ("lab-log.md", "CONTRIBUTING.md")
"""The history, and the page with the rules."""
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ODD = re.compile(
    r"\b(rehears\w+|is told|are told|was told|goes on from|went on from|going on from|by heart|has it that|nothing alike to)\b",
    re.IGNORECASE,
)
"""Turns of phrase with a plain equivalent: is printed, resumes, memorised."""


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of a page that is no code, without code in the line and addresses of links."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        fenced ^= line.lstrip().startswith("```")
        if not fenced:
            yield number, re.sub(r"`[^`]*`|\]\([^)]*\)", "", line)


def test_pages_use_the_words_of_the_field():
    pages = [page for page in PAGES if page.name not in QUOTING]
    assert len(pages) > 20
    for page in pages:
        lines = prose(page.read_text(encoding="utf-8"))
        assert not [f"{page.name}:{number}: says {match[0]}" for number, line in lines for match in ODD.finditer(line)]


def test_odd_words_are_found_outside_of_code():
    text = "It is told.\n```sh\nis told\n```\n`rehearse` [x](rehearsal.md) by heart\n"
    assert [(number, match[0]) for number, line in prose(text) for match in ODD.finditer(line)] == [
        (1, "is told"),
        (5, "by heart"),
    ]
