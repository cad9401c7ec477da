"""Ten million images behind a server: how much memory and disk does reading them take, and how long does any position take?

    python benchmarks/shards.py faces --images 10000000 --windows 6

The images of a folder are packed once; a manifest then names the same shard many times under names of its own, and a local server sends
it. Batches are read at the beginning of several windows of the order, far from each other, as a resumed run would. Told are the resident
memory above that of the process with torch alone, the bytes of the cache beside its limit, and the seconds until a window's first batch.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import json
import os
import shutil
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil

from organza import Images, Source
from organza.data.shards.manifest import Manifest, read_manifest
from organza.data.shards.place import parse_bytes
from organza.data.shards.write import write_shards


class Repeating(http.server.SimpleHTTPRequestHandler):
    """Sends 00000.tar and 00000.index under any number."""

    def translate_path(self, path: str) -> str:
        name = path.rpartition("/")[2]
        return os.fspath(Path(self.directory) / (f"00000{Path(name).suffix}" if name[:1].isdigit() else name))

    def log_message(self, format: str, *args: object) -> None:
        pass


def repeated(folder: Path, images: int) -> Manifest:
    """Write a manifest of at least so many images, all shards alike."""
    plain = read_manifest(json.loads((folder / "manifest.json").read_text()), "manifest.json")
    one = plain.shards[0]
    times = -(-images // one.count)
    names = [f"{number:06d}" for number in range(times)]
    many = replace(plain, shards=tuple(replace(one, file=f"{name}.tar") for name in names))
    (folder / "manifest.json").write_text(many.written())
    return many


def kept(cache: Path) -> int:
    """Return the bytes of fetched shards; files may vanish meanwhile."""
    total = 0
    for file in cache.rglob("*.tar"):
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--windows", type=int, default=6)
    parser.add_argument("--cache", default="1.2GB", help="limit of the cache")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        os.environ["ORGANZA_SHARD_CACHE"] = asked.cache
        os.environ["ORGANZA_CACHE"] = f"{place}/cache"
        out = Path(place) / "out"
        write_shards(Source(asked.data, size=64), out, 2**40)
        many = repeated(out, asked.images)
        shutil.rmtree(f"{place}/cache")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Repeating(*a, directory=str(out)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        process, before = psutil.Process(), psutil.Process().memory_info().rss
        start = time.perf_counter()
        data = Images(Source(f"http://127.0.0.1:{server.server_port}/manifest.json"))
        print(f"{data.count:,} images in {len(many.shards):,} shards, opened in {time.perf_counter() - start:.1f} s")
        most, largest, waits = 0, 0, []
        step = max(len(data.parts.train) // asked.windows, 1)
        for window in range(asked.windows):
            start = time.perf_counter()
            for batch in range(40):
                first = window * step + 64 * batch
                data.at(range(first, first + 64))
                if not batch:
                    waits.append(time.perf_counter() - start)
                most = max(most, process.memory_info().rss)
                largest = max(largest, kept(Path(place) / "cache"))
        print(f"memory above the process before: {(most - before) / 1e6:,.0f} MB")
        print(f"cache: {largest / 1e6:,.0f} MB at most, limit {parse_bytes(asked.cache, '--cache') / 1e6:,.0f} MB")
        print(f"first batch of a window after {min(waits):.1f} to {max(waits):.1f} s")
        server.shutdown()


if __name__ == "__main__":
    main()
