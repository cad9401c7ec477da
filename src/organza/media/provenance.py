"""Provenance of a generated image, recorded in its file: that it is synthetic, with its weights and seed.

The statement is IPTC's DigitalSourceType, as XMP, https://iptc.org/standards/photo-metadata/; programs and platforms that mark generated
images read it. It is in the file, not in the pixels: saving the image again can lose it.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from PIL.PngImagePlugin import PngInfo

from organza.version import __version__

MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
CHANGED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
XMP = "XML:com.adobe.xmp"  # keyword of XMP in PNG


@dataclass(frozen=True)
class Provenance:
    """Origin of an image.

    Args:
        model: sha256 of the generator's weights.
        checkpoint: name of the checkpoint.
        recipe: name of the recipe.
        seed: random seed of the latents; None if the image was made from another.
        kind: IPTC's term for it.

    >>> Provenance("3f2a", "00012000", "swift", 7).text
    'made by organza; model 3f2a; checkpoint 00012000; recipe swift; seed 7'
    """

    model: str
    checkpoint: str
    recipe: str
    seed: int | None = None
    kind: str = MADE

    @property
    def text(self) -> str:
        """Description in one line."""
        seed = "" if self.seed is None else f"; seed {self.seed}"
        return f"made by organza; model {self.model}; checkpoint {self.checkpoint}; recipe {self.recipe}{seed}"

    def xmp(self) -> str:
        """Return the provenance as an XMP packet."""
        return (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
            'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<Iptc4xmpExt:DigitalSourceType>{self.kind}</Iptc4xmpExt:DigitalSourceType>"
            f"<xmp:CreatorTool>organza {__version__}</xmp:CreatorTool>"
            f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{escape(self.text)}</rdf:li></rdf:Alt></dc:description>'
            '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
        )

    def png(self) -> PngInfo:
        """Return the provenance as chunks of a PNG file."""
        info = PngInfo()
        info.add_itxt(XMP, self.xmp())
        info.add_text("Software", f"organza {__version__}")
        info.add_text("Model", self.model)
        if self.seed is not None:
            info.add_text("Seed", str(self.seed))
        return info
