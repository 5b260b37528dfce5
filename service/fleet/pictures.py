"""A claim code as a QR code, for a bin's camera or an installer's telephone."""

import io
from typing import Final, Literal

import segno

PIXELS_A_MODULE: Final = 8

PictureKind = Literal["svg", "png"]


def claim_code_svg(code: str) -> str:
    """The text of an SVG document."""
    return claim_code_picture(code, "svg").decode()


def claim_code_picture(code: str, kind: PictureKind) -> bytes:
    """The bytes of a file, black on white, also before a dark page."""
    out = io.BytesIO()
    options = {"xmldecl": False, "omitsize": True} if kind == "svg" else {}
    _qr(code).save(out, kind=kind, scale=PIXELS_A_MODULE, dark="#000", light="#fff", **options)
    return out.getvalue()


def claim_code_blocks(code: str) -> str:
    """Lines of block characters, for a terminal."""
    out = io.StringIO()
    _qr(code).terminal(out, compact=True)
    return out.getvalue()


def _qr(code: str) -> segno.QRCode:
    # 15 % of it may be dirt, and it still goes into a small terminal.
    return segno.make(code, error="m", micro=False)
