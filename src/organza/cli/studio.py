"""The command that opens the studio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from organza.cli.options import arg, say
from organza.errors import UserError


def studio(
    runs: Annotated[str, tyro.conf.Positional, arg("FOLDER", "runs")] = "runs",
    /,
    data: Annotated[tuple[str, ...], arg("FOLDER ...", "the current folder")] = (),
    host: Annotated[str, arg("NAME", "127.0.0.1")] = "127.0.0.1",
    port: Annotated[int, arg("N", "8490, or the next free one")] = 8490,
    no_browser: bool = False,
    certificate: Annotated[Path | None, arg("FILE", "none")] = None,
    key: Annotated[Path | None, arg("FILE", "none")] = None,
    plain_http: bool = False,
) -> int:
    """Open the studio: a page on this machine that starts, shows and explores runs.

    Training runs in processes of its own and continues when the studio ends. Only this machine can
    reach it, and only with the token in the printed address.

    Args:
        runs: folder of runs.
        data: folders of your images; new data sets are put into the first.
        host: interface to listen on; any but this machine's own needs TLS.
        port: port to listen on.
        no_browser: print the address only.
        certificate: TLS certificate, for another host.
        key: key of the certificate.
        plain_http: permit another host without TLS, in a network that you trust entirely.
    """
    try:
        from organza.studio.server import Address, serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn", "anyio", "h11"):
            raise
        raise UserError("The studio needs the packages starlette and uvicorn: pip install 'organza[studio]'") from None
    from organza.cli.options import require_within
    from organza.studio.roots import Roots

    require_within("port", port, 0, 65_535)
    roots = Roots.of(runs, data or (".",))
    serve(roots, Address(host, port, certificate, key, plain_http), not no_browser, say)
    return 0
