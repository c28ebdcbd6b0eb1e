# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the host's screens, pixel by pixel."""

import struct
import zlib
from collections import Counter
from dataclasses import dataclass

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_XWD_FIELDS = 25  # X11/XWDFile.h
_XWD_COLOUR = 12


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows of pixels, each 0xRRGGBB."""

    rows: list[list[int]]

    def share(self, colour: int) -> float:
        """Return which part of all pixels has this colour, from 0 to 1."""
        counts = Counter(pixel for row in self.rows for pixel in row)
        return counts[colour] / counts.total()


def read_xwd(data: bytes) -> Picture:
    """Return the picture in an X window dump of 32 bits a pixel, which Xvfb keeps its screen in."""
    header = struct.unpack_from(f">{_XWD_FIELDS}I", data)
    size, width, height, line, colours = (header[index] for index in (0, 4, 5, 12, 19))
    assert header[11] == 32, "bits per pixel"
    start = size + colours * _XWD_COLOUR
    lines = (struct.unpack_from(f"<{width}I", data, start + row * line) for row in range(height))
    return Picture([[pixel & 0xFFFFFF for pixel in each] for each in lines])


def read_png(data: bytes) -> Picture:
    """Return the picture in a PNG of 8 bits a channel, without interlacing: RFC 2083."""
    assert data.startswith(_PNG_SIGNATURE)
    chunks = list(_chunks(data[len(_PNG_SIGNATURE) :]))
    width, _, depth, kind, _, _, interlace = struct.unpack(">IIBBBBB", chunks[0][1])
    assert (depth, interlace) == (8, 0)
    channels = {2: 3, 6: 4}[kind]
    raw = zlib.decompress(b"".join(content for name, content in chunks if name == b"IDAT"))
    rows, above = [], bytes(width * channels)
    for start in range(0, len(raw), 1 + width * channels):
        line = raw[start + 1 : start + 1 + width * channels]
        above = _unfilter(raw[start], line, above, channels)
        rows.append(
            [int.from_bytes(above[at : at + 3]) for at in range(0, width * channels, channels)]
        )
    return Picture(rows)


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _unfilter(kind: int, line: bytes, above: bytes, channels: int) -> bytes:
    """Take a line's filter back: RFC 2083, section 6."""
    row = bytearray(line)
    for at, value in enumerate(line):
        left = row[at - channels] if at >= channels else 0
        corner = above[at - channels] if at >= channels else 0
        guess = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))
        row[at] = (value + guess[kind]) & 0xFF
    return bytes(row)


def _paeth(left: int, above: int, corner: int) -> int:
    estimate = left + above - corner
    return min((left, above, corner), key=lambda value: abs(estimate - value))
