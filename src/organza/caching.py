"""The cache: a folder for files that can be made again, such as packed images and converted weights."""

from __future__ import annotations

import os
from pathlib import Path

from organza.errors import UserError


def cache_folder() -> Path:
    """Return the cache: $ORGANZA_CACHE, else organza in $XDG_CACHE_HOME, else ~/.cache/organza. It need not exist.

    Raises:
        UserError: none of them is known, as for a user without a home folder.
    """
    if own := os.environ.get("ORGANZA_CACHE"):
        return Path(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "organza"
    try:
        return Path.home() / ".cache" / "organza"
    except (RuntimeError, KeyError):  # a user by number alone, as in containers
        raise UserError("This user has no home folder to keep a cache in; name a folder in $ORGANZA_CACHE.") from None
