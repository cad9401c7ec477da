"""Draw the pictures of docs/studio.md: pages of a running studio.

organza studio runs --no-browser &
python benchmarks/studio_pictures.py LINK RUN docs/pictures
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "google-chrome"))), None)


def main(link: str, run: str, out: Path) -> None:
    """Draw the page of a run and that of play.

    Args:
        link: address with the token, as the studio printed it.
        run: name of the run.
        out: folder of the pictures.
    """
    home = link.partition("/?")[0]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.goto(link)
        page.goto(f"{home}/run/{run}")
        page.locator(".sheet button.cell").first.wait_for(timeout=60_000)
        page.wait_for_timeout(2000)
        save(page.screenshot(), out / "studio-run.png")
        page.goto(f"{home}/play/{run}?at=0.12&moves=0,1.2")
        page.locator(".direction .end canvas").first.wait_for(timeout=300_000)
        page.locator(".tiles canvas").first.wait_for(timeout=300_000)
        page.wait_for_timeout(3000)
        save(page.screenshot(), out / "studio-play.png")
        browser.close()


def save(content: bytes, path: Path) -> None:
    """Write a screenshot with 128 colours, a quarter of its size."""
    with Image.open(io.BytesIO(content)) as image:
        image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
