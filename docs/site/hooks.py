"""Hooks of MkDocs: pages that are made from other files of the repository, links to such files, and the navigation.

The pages of docs/ link to each other and to files of the repository as they lie there, so that they can be read in the repository as well.
On the site README.md is the home page, a file of src/organza is a place in the reference, and any other file is a listing.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))

import code_map
import navigation
import notebooks
import reference
from mkdocs.structure.files import File, Files

LINK = re.compile(r"(?P<before>!?\[[^\]]*\]\()(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?(?=\))")
FENCED = re.compile(r"^( *)```.*?^\1```", re.M | re.S)
AT_ROOT = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
ORIGIN = {page: path for path, page in AT_ROOT.items()}
LANGUAGES = {".py": "python", ".yml": "yaml", ".toml": "toml", ".sh": "sh", "": "make"}


def on_config(config: Any) -> Any:
    """Set the navigation to the pages that exist."""
    written = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    config.nav = navigation.navigation([*written, *_made()])
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made: of the repository's own texts, notebooks, reference, and listings of files that pages link to."""
    pages = _made()
    texts = {file.src_uri: file.content_string for file in files.documentation_pages()} | pages
    for uri, text in texts.items():
        for match in LINK.finditer(_prose(text)):
            target = _repository_path(uri, match["target"])
            if target and (page := _listing(target)):
                pages[page] = _listed(target)
    for uri, text in pages.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead links to files of the repository to their pages."""
    uri = page.file.src_uri
    if uri == "map.md":
        markdown = markdown.replace("<!-- layers -->", code_map.picture()).replace(
            "<!-- packages -->", code_map.table()
        )
    kept = [(match.start(), match.end()) for match in FENCED.finditer(markdown)]

    def led(match: re.Match[str]) -> str:
        target = _repository_path(uri, match["target"])
        if target is None or any(start <= match.start() < end for start, end in kept):
            return match[0]
        goal, anchor = _goal(target)
        return f"{match['before']}{posixpath.relpath(goal, posixpath.dirname(uri) or '.')}{match['anchor'] or anchor}"

    return LINK.sub(led, markdown)


def _made() -> dict[str, str]:
    pages = {page: (ROOT / path).read_text(encoding="utf-8") for path, page in AT_ROOT.items()}
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    titles = [path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for path in decisions]
    rows = [f"- [{title}]({path.name})" for title, path in zip(titles, decisions, strict=True)]
    pages["decisions/index.md"] = (
        "# Decisions\n\nLarger choices of the design, with their reasons.\n\n" + "\n".join(rows) + "\n"
    )
    for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        pages[f"notebooks/{path.stem}.md"] = notebooks.markdown(path)
    return pages | reference.pages()


def _prose(text: str) -> str:
    return FENCED.sub("", text)


def _repository_path(uri: str, target: str) -> str | None:
    """Return the path in the repository that a link of a page means; None for an address or a page of the build."""
    if "://" in target or target.startswith(("mailto:", "reference/")) or uri.startswith(("reference/", "source/")):
        return None
    origin = ORIGIN.get(uri, f"docs/{uri}")
    path = os.path.normpath(posixpath.join(posixpath.dirname(origin), target)).replace(os.sep, "/")
    return path if (ROOT / path).exists() else None


def _goal(path: str) -> tuple[str, str]:
    """Return the page of a path in the repository, and the place in it."""
    if path in AT_ROOT:
        return AT_ROOT[path], ""
    if path.startswith("src/organza/") and path.endswith(".py"):
        module = path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return reference.page_of(module), f"#{module}"
    if path.startswith("src/organza") and (ROOT / path).is_dir():
        return reference.page_of(path.removeprefix("src/").rstrip("/").replace("/", ".")), ""
    if path.startswith("docs/") and (ROOT / path).is_dir():
        return f"{path.removeprefix('docs/').rstrip('/')}/index.md", ""
    if path.endswith(".ipynb"):
        return path.removeprefix("docs/").replace(".ipynb", ".md"), ""
    return _listing(path) or path.removeprefix("docs/"), ""


def _listing(path: str) -> str | None:
    """Return the page that lists a file or folder; None if it has another page."""
    if path in AT_ROOT or path.startswith(("docs/", "src/organza")):
        return None
    name = path.strip("/").lstrip(".")  # MkDocs leaves out names with a dot in front
    return f"source/{name}/index.md" if (ROOT / path).is_dir() else f"source/{name}.md"


def _listed(path: str) -> str:
    file = ROOT / path
    if file.is_dir():
        return (
            f"# {path}\n\n"
            + "\n".join(f"- `{inner.name}`" for inner in sorted(file.iterdir()) if inner.name[0] not in "._")
            + "\n"
        )
    return f"# {path}\n\n```{LANGUAGES.get(file.suffix, 'text')}\n{file.read_text(encoding='utf-8')}\n```\n"
