"""onnxruntime-web, the wasm build, as the registry of npm has it: what a page needs to run a network. MIT: see LICENSE.

Nothing here is changed, so that anybody can compare the digests; the wasm file is packed with gzip -9 -n.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cache
from importlib.resources import files

VERSION = "1.30.0"
SCRIPT = "ort.wasm.bundle.min.mjs", "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90"
WASM = "ort-wasm-simd-threaded.wasm", "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
"""Names in npm's package onnxruntime-web, folder dist, and sha256 of the files there."""


@cache
def packed() -> bytes:
    """Return the wasm file, in gzip."""
    return files(__name__).joinpath(f"{WASM[0]}.gz").read_bytes()


@cache
def script() -> str:
    """Return the JavaScript as the head of a module in which `ort` stands for what the file exports.

    A module that is inside a page exports to nobody, so its last statement becomes a table. `</script` would end the element.
    """
    text = files(__name__).joinpath(SCRIPT[0]).read_text(encoding="utf-8")
    body, exported = re.split(r"\bexport\{(?=[^{}]*\};?\s*(?://# source.*)?\s*$)", text)
    names = [re.fullmatch(r"\s*([\w$]+)(?: as ([\w$]+))?\s*", entry) for entry in exported.partition("}")[0].split(",")]
    table = ",".join(f"{name[2] or name[1]}:{name[1]}" for name in names if name)
    return f"{body}const ort={{{table}}};\n".replace("</script", "<\\/script")


def digests() -> dict[str, str]:
    """Return the sha256 of both files as they are here, by their names in npm's package."""
    text = files(__name__).joinpath(SCRIPT[0]).read_bytes()
    wasm = gzip.decompress(packed())
    return {SCRIPT[0]: hashlib.sha256(text).hexdigest(), WASM[0]: hashlib.sha256(wasm).hexdigest()}
