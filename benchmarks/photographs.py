"""Folders to learn enlarging and filling from: photographs, painted artwork and pixel art of Debian's packages.

    apt-get download mate-backgrounds lxqt-themes lomiri-wallpapers-{16.04,20.04} plasma-workspace-wallpapers wesnoth-1.16-data
    for package in *.deb; do dpkg -x $package packages; done
    python benchmarks/photographs.py folders --packages packages [--wheel scikit_image-0.25.2-*.whl]

Writes folders/photos (of 2,400 pixels at most on the longer side; with the wheel of scikit-image seven of its photographs too), folders/art
(portraits), folders/pixels (figures of 64 pixels and more a side, in all their poses) and folders/figures (one pose of each, and
of near copies the first, so that none that is held out has one among the rest). What is there already is left.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOGRAPHS = {
    "usr/share/backgrounds/mate/nature": (
        "Garden Dune Aqua TwoWings Storm GreenMeadow RainDrops Blinds FreshFlower LadyBird YellowFlower"
    ),
    "usr/share/lxqt/wallpapers": "flowers after-the-rain Butterfly-Kenneth-Wimer beam Valendas appleflower cloud butterfly",
    "usr/share/backgrounds": (
        "Picture_1A_by_freespace Wine_by_Jakkub_Mede greentock_by_Peter_Nerlich seeding_by_Clements_Engelhardt "
        "aitzgorri_by_Aitzol_Berasategi Dragonfly_by_Bolly friends_by_Aitzol_Berasategi sunset_by_Aitzol_Berasategi free_by_Peter_Nerlich "
        "picosdeeuropa_by_Aitzol_Berasategi Picture_0B_by_freespace life_by_Aitzol_Berasategi Bridge_by_Sander_Klootwijk "
        "Kleiber_by_Lukas_Baubkus"
    ),
    "usr/share/wallpapers": (
        "FallenLeaf Path EveningGlow Grey ColorfulCups OneStandsOut ColdRipple BytheWater"  # folders with several sizes
    ),
}
"""Names of photographs, without what ends them, by folder."""
OF_SCIKIT_IMAGE = "astronaut coffee chelsea rocket motorcycle_left grass brick"
LARGEST = 2400
WESNOTH = "usr/share/games/wesnoth/1.16/data"
IN_MOTION = ("attack", "die", "halo", "projectile")


def photographs(packages: Path, wheel: Path | None) -> Iterator[tuple[str, Image.Image]]:
    """Yield name and image of each photograph that is there."""
    for folder, names in PHOTOGRAPHS.items():
        for name in names.split():
            found = [*(packages / folder).glob(f"{name}.*"), *(packages / folder / name).glob("contents/images/*.*")]
            if found:
                yield name, max((Image.open(path) for path in found), key=lambda image: image.width * image.height)
    if wheel is not None:
        with zipfile.ZipFile(wheel) as file:
            for name in OF_SCIKIT_IMAGE.split():
                for entry in (f"skimage/data/{name}.png", f"skimage/data/{name}.jpg"):
                    if entry in file.namelist():
                        yield f"sk-{name}", Image.open(io.BytesIO(file.read(entry)))


def write(images: Iterator[tuple[str, Image.Image]], folder: Path) -> None:
    """Write a folder of PNG files, unless it is there."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True)
    for name, image in images:
        image.save(folder / f"{name}.png")
    print(f"{len(list(folder.iterdir()))} images in {folder}")


def reduced(images: Iterator[tuple[str, Image.Image]]) -> Iterator[tuple[str, Image.Image]]:
    """Yield each in colour, with a longer side of `LARGEST` pixels at most."""
    for name, image in images:
        colour = image.convert("RGB")
        colour.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
        yield name, colour


def numbered(packages: Path, pattern: str, least: int = 1, pose: bool = False) -> Iterator[tuple[str, Image.Image]]:
    """Yield Wesnoth's images that match, if no side is less than so many pixels, without motions, with `pose` one pose of each figure."""
    count = 0
    for path in sorted(packages.glob(f"{WESNOTH}/{pattern}")):
        if least > 1 and any(word in str(path) for word in IN_MOTION):
            continue
        if pose and "-" in path.stem:
            continue
        with Image.open(path) as image:
            if min(image.size) >= least:
                count += 1
                yield f"{count:04d}", image


def apart(images: Iterator[tuple[str, Image.Image]], least: float = 6) -> Iterator[tuple[str, Image.Image]]:
    """Yield those that differ from all before by `least` levels of 255 in the mean, at 16x16 pixels on grey."""
    seen: list[np.ndarray] = []
    for name, image in images:
        grey = Image.new("RGBA", image.size, (128, 128, 128, 255))
        grey.alpha_composite(image.convert("RGBA"))
        small = np.asarray(grey.convert("RGB").resize((16, 16), Image.Resampling.BOX), float)
        if all(np.abs(small - other).mean() >= least for other in seen):
            seen.append(small)
            yield name, image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--wheel", type=Path)
    asked = parser.parse_args()
    write(reduced(photographs(asked.packages, asked.wheel)), asked.out / "photos")
    write(numbered(asked.packages, "**/images/portraits/**/*.png"), asked.out / "art")
    write(numbered(asked.packages, "core/images/units/**/*.png", 64), asked.out / "pixels")
    write(apart(numbered(asked.packages, "core/images/units/**/*.png", 64, pose=True)), asked.out / "figures")


if __name__ == "__main__":
    main()
