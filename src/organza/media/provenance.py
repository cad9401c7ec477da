"""Where a made image comes from, written into its file: that it is synthetic, by which weights, from which seed.

The statement is IPTC's: DigitalSourceType, as XMP, https://iptc.org/standards/photo-metadata/; programs and platforms that mark made
images read it. It is in the file and not in the pixels: whoever saves the image anew may lose it.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from PIL.PngImagePlugin import PngInfo

from organza.version import __version__

MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
CHANGED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
XMP = "XML:com.adobe.xmp"  # the name that PNG has for XMP


@dataclass(frozen=True)
class Provenance:
    """What an image is made by.

    Args:
        model: sha256 of the generator's weights.
        checkpoint: its name.
        recipe: the name of the recipe.
        seed: of the latents; None where the image was made from another.
        kind: IPTC's word for it.

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
        """In a line."""
        seed = "" if self.seed is None else f"; seed {self.seed}"
        return f"made by organza; model {self.model}; checkpoint {self.checkpoint}; recipe {self.recipe}{seed}"

    def xmp(self) -> str:
        """As an XMP packet."""
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
        """As the chunks of a PNG file."""
        info = PngInfo()
        info.add_itxt(XMP, self.xmp())
        info.add_text("Software", f"organza {__version__}")
        info.add_text("Model", self.model)
        if self.seed is not None:
            info.add_text("Seed", str(self.seed))
        return info
