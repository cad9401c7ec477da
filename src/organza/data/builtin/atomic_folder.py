"""A folder of made data that appears whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from organza.disk import remove_tree, rename
from organza.errors import UserError


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A folder beside the one that is wanted, to write to; it is renamed into place at the end, or taken away where that fails.

    Args:
        folder: the one that is wanted; it must not exist, or be empty.

    Raises:
        UserError: where the system refuses to write.

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
        if folder.is_dir():  # Windows renames nothing over a folder, empty or not
            folder.rmdir()
        rename(aside, folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}. Make room, or name another folder.") from error
    finally:
        remove_tree(aside)
