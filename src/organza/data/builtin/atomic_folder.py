"""Folders that appear complete or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from organza.disk import remove_tree, rename
from organza.errors import UserError


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder to write to, which is renamed to the final one at the end, or removed after an error.

    Args:
        folder: final folder, which must not exist, or be empty.

    Raises:
        UserError: if the system refuses to write.

    >>> import tempfile; place = Path(tempfile.mkdtemp()) / "digits"
    >>> with whole(place) as aside: _ = (aside / "0.txt").write_text("zero", encoding="utf-8")
    >>> [path.name for path in place.iterdir()]
    ['0.txt']
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}. Name another folder.") from error
    try:
        aside.chmod(0o755)
        yield aside
        if folder.is_dir():  # Windows cannot rename a folder over an existing one
            folder.rmdir()
        rename(aside, folder)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written: {error.strerror}. Free disk space, or name another folder."
        ) from error
    finally:
        remove_tree(aside)
