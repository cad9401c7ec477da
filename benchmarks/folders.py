"""Folders of images of many kinds, for `kinds.py`: synthetic ones, cartoon faces, and what a few Debian packages hold.

Every folder is a function of its name, its count and the seed. Synthetic ones need nothing; faces need the extra `faces`; the others
read files that `apt-get download PACKAGE && dpkg -x PACKAGE_*.deb PLACE` unpacks, without installation. Licences: each package's
copyright file.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from organza.data.builtin.face_drawing import Artist
from organza.data.builtin.faces import style_definition

SIDE = 64
LARGE = 1 << 20
"""Bytes above which a drawing is left out: it may have hundreds of millions of pixels."""
Draw = Callable[[np.random.Generator], Image.Image]


@dataclass(frozen=True)
class Kind:
    """One kind of images.

    Args:
        name: of the folder.
        count: images at the most.
        draw: images in a fixed order, from (count, seed, place of the unpacked packages).
        package: Debian package that is read; "" needs none.
            holdout: kept out of calibration, to test what was calibrated.
    """

    name: str
    count: int
    draw: Callable[[int, int, Path], Iterator[Image.Image]]
    package: str = ""
    holdout: bool = False


def write(kind: Kind, out: Path, packages: Path, seed: int = 0, count: int | None = None) -> Path:
    """Write a folder of PNG files, OUT/NAME/00000.png ..., unless it is there; return it.

    Raises:
        FileNotFoundError: the package is not unpacked, or holds none of the files.
    """
    folder = out / kind.name
    if folder.is_dir():
        return folder
    aside = out / f".{kind.name}"
    aside.mkdir(parents=True, exist_ok=True)
    written = 0
    for index, image in enumerate(kind.draw(count or kind.count, seed, packages)):
        image.save(aside / f"{index:05d}.png")
        written += 1
    if not written:
        raise FileNotFoundError(f"{kind.name} needs the Debian package {kind.package}, unpacked in {packages}.")
    return aside.rename(folder)


# ---- drawn here ---------------------------------------------------------------------------------------------------------------


def synthetic(one: Draw) -> Callable[[int, int, Path], Iterator[Image.Image]]:
    """Return a function that draws image k from a stream of its own."""

    def draw(count: int, seed: int, packages: Path) -> Iterator[Image.Image]:
        return (one(np.random.default_rng([seed, k])) for k in range(count))

    return draw


def spark(mode: str, ground: tuple[int, ...]) -> Draw:
    """A disc of one to six pixels and any bright colour on one ground colour: nearly constant images."""

    def one(rng: np.random.Generator) -> Image.Image:
        image = Image.new(mode, (4 * SIDE, 4 * SIDE), ground)
        x, y = rng.uniform(0.2, 0.8, 2) * 4 * SIDE
        radius = 4 * rng.uniform(1, 6)
        colour = tuple(int(value) for value in rng.integers(90, 256, 3)) + ((255,) if mode == "RGBA" else ())
        ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), colour)
        return image.resize((SIDE, SIDE), Image.Resampling.BOX)

    return one


def blobs(low: int, high: int, blur: float, width: int = SIDE) -> Draw:
    """Smooth noise cut at its median, two values: very contrasty, or very flat where they are close."""

    def one(rng: np.random.Generator) -> Image.Image:
        noise = Image.fromarray(rng.integers(0, 256, (SIDE, width), np.uint8)).filter(ImageFilter.GaussianBlur(blur))
        values = np.asarray(noise, np.float32)
        return Image.fromarray(np.where(values > np.median(values), high, low).astype(np.uint8))

    return one


def two_colours(rng: np.random.Generator) -> Image.Image:
    """One rectangle of a red on a blue."""
    image = Image.new("RGB", (SIDE, SIDE), (20, 40, 160))
    x, y = rng.integers(4, 40, 2)
    w, h = rng.integers(8, 24, 2)
    ImageDraw.Draw(image).rectangle((x, y, x + w, y + h), (200, 30, 40))
    return image


def dot(rng: np.random.Generator) -> Image.Image:
    """White with one dark dot of three pixels."""
    image = Image.new("RGB", (SIDE, SIDE), "white")
    x, y = (int(value) for value in rng.integers(4, SIDE - 4, 2))
    ImageDraw.Draw(image).rectangle((x, y, x + 2, y + 2), (30, 30, 30))
    return image


def noise(rng: np.random.Generator) -> Image.Image:
    """Pure noise: every channel of every pixel uniform."""
    return Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))


def copies(count: int, seed: int, packages: Path) -> Iterator[Image.Image]:
    """One image, each time a little brighter or darker, and moved by a pixel."""
    first = np.asarray(blobs(60, 200, 6)(np.random.default_rng(seed)), np.int16)
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        moved = np.roll(first, tuple(int(v) for v in rng.integers(-1, 2, 2)), (0, 1)) + int(rng.integers(-6, 7))
        yield Image.fromarray(moved.clip(0, 255).astype(np.uint8)).convert("RGB")


def faces(style: str, mode: str = "RGB") -> Callable[[int, int, Path], Iterator[Image.Image]]:
    """Artwork of a DiceBear style, rendered."""

    def draw(count: int, seed: int, packages: Path) -> Iterator[Image.Image]:
        artist = Artist(style, style_definition(style), seed, SIDE)
        return (artist.draw(k)[0].convert(mode) for k in range(count))

    return draw


# ---- from packages ------------------------------------------------------------------------------------------------------------


def found(packages: Path, pattern: str, seed: int, count: int) -> list[Path]:
    """Return regular files that match, shuffled."""
    paths = sorted(path for path in packages.glob(pattern) if path.is_file() and not path.is_symlink())
    random.Random(seed).shuffle(paths)
    return paths[:count]


def scaled(pattern: str, mode: str, ground: str = "white") -> Callable[[int, int, Path], Iterator[Image.Image]]:
    """Whole images, squared by their middle; transparent ones on a ground unless the mode has opacity."""

    def draw(count: int, seed: int, packages: Path) -> Iterator[Image.Image]:
        for path in found(packages, pattern, seed, count):
            if path.stat().st_size > LARGE:
                continue
            with Image.open(path) as image:
                picture = image.convert("RGBA")
            side = min(picture.size)
            left, top = ((length - side) // 2 for length in picture.size)
            picture = picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            if mode != "RGBA":
                below = Image.new("RGBA", picture.size, ground)
                picture = Image.alpha_composite(below, picture).convert(mode)
            yield picture

    return draw


def crops(
    share: float,
    size: tuple[int, int] = (SIDE, SIDE),
    least: float = 0.0,
    most: float = 1.0,
    pattern: str = "usr/share/backgrounds/**/*.*",
) -> Callable:
    """Random places of wallpapers, a share of their shorter side high, of a mean brightness between `least` and `most`."""

    def draw(count: int, seed: int, packages: Path) -> Iterator[Image.Image]:
        rng = random.Random(seed)
        photographs = []
        for path in found(packages, pattern, 0, 200):
            if path.suffix.lower() in (".jpg", ".jpeg", ".webp"):
                with Image.open(path) as image:
                    photographs.append(image.convert("RGB"))
        width, height = size
        while photographs and count:
            image = rng.choice(photographs)
            high = max(height, int(share * min(image.size)))
            wide = high * width // height
            left, top = rng.randrange(image.width - wide + 1), rng.randrange(image.height - high + 1)
            crop = image.crop((left, top, left + wide, top + high))
            crop.thumbnail((4 * width, 4 * height), Image.Resampling.BOX)
            crop = crop.resize(size, Image.Resampling.LANCZOS)
            if 255 * least <= np.asarray(crop).mean() <= 255 * most:
                yield crop
                count -= 1

    return draw


def figures(mode: str) -> Callable[[int, int, Path], Iterator[Image.Image]]:
    """Pixel art of 72x72 by its middle, pixel for pixel; on white unless the mode has opacity."""

    def draw(count: int, seed: int, packages: Path) -> Iterator[Image.Image]:
        for path in found(packages, UNITS, seed, 3 * count):
            with Image.open(path) as image:
                if image.size != (72, 72) or not count:
                    continue
                figure = image.convert("RGBA").crop((4, 4, 68, 68))
            if mode != "RGBA":
                figure = Image.alpha_composite(Image.new("RGBA", figure.size, "white"), figure).convert(mode)
            yield figure
            count -= 1

    return draw


def icons(count: int, seed: int, packages: Path) -> Iterator[Image.Image]:
    """Icons of programs with transparency, rendered."""
    import resvg_py

    for path in found(packages, "usr/share/icons/Papirus/64x64/apps/*.svg", seed, count):
        svg = path.read_text()
        yield Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIDE, height=SIDE)))).convert(
            "RGBA"
        )


def glyphs(count: int, seed: int, packages: Path) -> Iterator[Image.Image]:
    """Capitals and small letters of many typefaces, two values."""
    rng = random.Random(seed)
    paths = found(packages, "usr/share/fonts/truetype/noto/NotoS*.ttf", 0, 10_000)
    latin = [path for path in paths if path.name.startswith(("NotoSans-", "NotoSerif-", "NotoSansDisplay-"))]
    fonts = [ImageFont.truetype(path, 48) for path in latin]
    for _ in range(count if fonts else 0):
        image = Image.new("L", (SIDE, SIDE), 255)
        letter = rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghkmnpqrstuvwxyz")
        ImageDraw.Draw(image).text((SIDE // 2, SIDE // 2), letter, 0, rng.choice(fonts), anchor="mm")
        yield image.point([0] * 128 + [255] * 128)


NEBULAE = "usr/share/stellarium/nebulae/default/*.png"
UNITS = "usr/share/games/wesnoth/*/data/core/images/units/**/*.png"
STAMPS = "usr/share/tuxpaint/stamps/**/*.png"
KINDS = (
    Kind("faces", 2_000, faces("adventurer")),
    Kind("grey-faces", 2_000, faces("adventurer", "L"), holdout=True),
    Kind("few-faces", 300, faces("big-smile")),
    Kind("lines", 1_500, faces("croodles", "L")),
    Kind("nebulae", 600, scaled(NEBULAE, "RGB"), "stellarium-data"),
    Kind("photographs", 2_000, crops(0.7, least=0.45), "gnome-backgrounds", holdout=True),
    Kind("textures", 1_200, crops(0.03), "gnome-backgrounds"),
    Kind("wide", 1_500, crops(0.5, (96, 48)), "mate-backgrounds"),
    Kind("stamps", 800, scaled(STAMPS, "RGB"), "tuxpaint-stamps-default", holdout=True),
    Kind("cut-out-stamps", 800, scaled(STAMPS, "RGBA"), "tuxpaint-stamps-default"),
    Kind("pixel-art", 4_000, figures("RGB"), "wesnoth-1.16-data"),
    Kind("cut-out-pixel-art", 4_000, figures("RGBA"), "wesnoth-1.16-data"),
    Kind("icons", 2_000, icons, "papirus-icon-theme"),
    Kind("glyphs", 2_000, glyphs, "fonts-noto-core", holdout=True),
    Kind("dark-sparks", 1_000, synthetic(spark("RGB", (0, 0, 0)))),
    Kind("white-sparks", 1_000, synthetic(spark("RGB", (255, 255, 255))), holdout=True),
    Kind("cut-out-sparks", 1_000, synthetic(spark("RGBA", (0, 0, 0, 0)))),
    Kind("contrasty", 1_000, synthetic(blobs(0, 255, 4))),
    Kind("flat", 1_000, synthetic(blobs(118, 132, 4))),
)
WALLPAPERS = "usr/share/wallpapers/*/contents/images*/*0x[12][08]80.jpg"  # one size of each
UNKNOWN = (
    Kind("night", 1_200, crops(0.4, most=0.25, pattern=WALLPAPERS), "plasma-workspace-wallpapers", holdout=True),
    Kind("daylight", 2_000, crops(0.6, least=0.4, pattern=WALLPAPERS), "plasma-workspace-wallpapers", holdout=True),
    Kind("clip-art", 4_000, scaled("usr/share/openclipart/png/**/*.png", "RGB"), "openclipart-png", holdout=True),
    Kind(
        "oxygen", 800, scaled("usr/share/icons/oxygen/base/64x64/**/*.png", "RGBA"), "oxygen-icon-theme", holdout=True
    ),
    Kind("landscapes", 1_500, faces("landscape"), holdout=True),
    Kind("toon-heads", 1_500, faces("toon-head"), holdout=True),
)
"""Kinds that nothing was chosen or calibrated on: they were drawn after the default was as it is."""
DEGENERATE = (
    Kind("copies", 200, copies),
    Kind("noise", 500, synthetic(noise)),
    Kind("dots", 500, synthetic(dot)),
    Kind("two-colours", 500, synthetic(two_colours)),
)
