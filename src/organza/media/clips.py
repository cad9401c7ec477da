"""Clips: moving images as WebP, AVIF (Pillow) or MP4 (PyAV, the extra `video`), with their provenance inside.

Of 120 frames of 526x262 pixels, WebP at quality 80 has 2.9 MB and takes 2.6 s of a core, AVIF 0.9 MB and 1.5 s, H.264 0.7 MB and 1.3 s;
a GIF has 8.4 MB, 256 colours, and takes 27 s, so there is none.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, features

from organza.errors import UserError
from organza.media.images import to_image, write_aside
from organza.media.provenance import Provenance

SIDE = 256
"""Pixels that small frames are enlarged to at least, as players smooth small videos."""
WEBP_QUALITY, AVIF_QUALITY, CRF = 80, 70, 20


def enlarged(frame: np.ndarray, times: int) -> np.ndarray:
    """Return a frame whose pixels are squares of so many pixels a side, uint8 [H, W, C].

    >>> enlarged(np.zeros((2, 3, 1), np.uint8), 4).shape
    (8, 12, 1)
    """
    return frame if times == 1 else frame.repeat(times, 0).repeat(times, 1)


def times_for(frame: np.ndarray) -> int:
    """Return the factor by which frames are enlarged: the shorter side of `SIDE` pixels, or nearly.

    >>> times_for(np.zeros((64, 64, 3))), times_for(np.zeros((600, 64, 3))), times_for(np.zeros((300, 300, 3)))
    (4, 4, 1)
    """
    return max(1, SIDE // min(frame.shape[:2]))


def require_writable(path: Path) -> None:
    """Check that a clip of this name can be written, before its frames are made.

    Raises:
        UserError: if its ending is unknown, or a package is missing.
    """
    ending = path.suffix.lower()
    if ending not in WRITERS:
        raise UserError(f"{path} does not end in .webp, .mp4 or .avif; name a clip, such as walk.webp.")
    if ending == ".mp4":
        _av()
    elif not features.check(ending[1:]):
        raise UserError(
            f"This Pillow cannot write {ending} files; upgrade it (pip install -U pillow), or name another clip, such as walk.mp4."
        )


def save_clip(
    frames: Iterable[np.ndarray], path: Path, fps: int = 30, made_by: Provenance | None = None, loop: bool = True
) -> int:
    """Write a clip through a temporary file, and return its number of frames.

    Args:
        frames: uint8 [H, W, C] of one size, C 1, 3 or 4.
        path: output file, whose ending gives the format: .webp, .avif or .mp4.
        fps: frames a second.
        made_by: provenance to record in the file, if any.
        loop: True for a clip that is repeated without end, where the format can say so.

    Raises:
        UserError: if there is no such format, a package is missing, or the file cannot be written.
    """
    require_writable(path)
    kept = list(frames)
    write_aside(path, WRITERS[path.suffix.lower()](kept, fps, made_by, loop))
    return len(kept)


def _by_pillow(kind: str, quality: int, **options: int) -> Callable[..., bytes]:
    """Return a writer of one of Pillow's formats."""

    def write(frames: list[np.ndarray], fps: int, made_by: Provenance | None, loop: bool) -> bytes:
        """Return the bytes of a clip."""
        first, *others = [_opaque(to_image(frame)) for frame in frames]
        content = io.BytesIO()
        starts = [round(1000 * n / fps) for n in range(len(frames) + 1)]  # so that rounding does not add up
        lengths = [max(1, end - start) for start, end in pairwise(starts)]
        more = {"xmp": made_by.xmp().encode()} if made_by else {}
        first.save(
            content, kind, save_all=True, append_images=others, duration=lengths, loop=0 if loop else 1, quality=quality,
            **options, **more,
        )  # fmt: skip
        return content.getvalue()

    return write


def _opaque(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGBA" else image.convert("RGB")


def _av():
    """Return the module av. Raises UserError if it is not installed."""
    try:
        import av
    except ImportError:
        raise UserError(
            "An MP4 needs PyAV: pip install 'organza[video]'; or name a .webp or .avif, which need nothing."
        ) from None
    return av


def _mp4(frames: list[np.ndarray], fps: int, made_by: Provenance | None, loop: bool) -> bytes:
    """Return frames as H.264 in yuv420p, which every player knows; sides are padded to even numbers."""
    av = _av()
    content = io.BytesIO()
    options = {"movflags": "use_metadata_tags"}
    with av.open(content, "w", format="mp4", options=options) as file:
        if made_by:
            file.metadata.update({"comment": made_by.text, "DigitalSourceType": made_by.kind})
        height, width = (side + side % 2 for side in frames[0].shape[:2])
        video = file.add_stream("libx264", rate=fps, options={"crf": str(CRF)})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            rgb = np.asarray(_on_white(to_image(frame)))
            below, right = height - rgb.shape[0], width - rgb.shape[1]
            padded = np.pad(rgb, ((0, below), (0, right), (0, 0)), mode="edge")
            file.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")))
        file.mux(video.encode())
    return content.getvalue()


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


WRITERS = {
    ".webp": _by_pillow("WEBP", WEBP_QUALITY, method=4),
    ".avif": _by_pillow("AVIF", AVIF_QUALITY, speed=8),
    ".mp4": _mp4,
}
"""Functions that return a clip's bytes, by ending."""
