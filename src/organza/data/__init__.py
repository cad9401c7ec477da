"""Data: folders, zips and arrays of images, packed into a cache, and built-in example sets."""

from organza.data.builtin.digits import digits as digits
from organza.data.builtin.faces import render_faces as render_faces
from organza.data.builtin.faces import render_pairs as render_pairs
from organza.data.builtin.fashion_mnist import fashion_mnist as fashion_mnist
from organza.data.builtin.styles import render_styles as render_styles
from organza.data.check import Check as Check
from organza.data.check import check as check
from organza.data.check import render as render
from organza.data.pack import Pack as Pack
from organza.data.pack import distinct as distinct
from organza.data.pack import open_data as open_data
from organza.data.size import Size as Size
from organza.data.size import parse_size as parse_size
from organza.data.source import Source as Source
