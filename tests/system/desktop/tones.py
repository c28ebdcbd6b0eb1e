# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound as samples: 16 bits, little endian, one channel."""

import array
import io
import math
import wave

RATE = 44100  # samples a second, what PulseAudio's null sink has
_BLOCK = RATE // 20
_LOUD = 1000.0  # root mean square of a block that is no silence


def tone(hertz: float, seconds: float) -> bytes:
    """Return a sine tone of a quarter of the full volume."""
    step = 2 * math.pi * hertz / RATE
    count = int(RATE * seconds)
    return array.array("h", (int(8000 * math.sin(step * at)) for at in range(count))).tobytes()


def wave_file(samples: bytes) -> bytes:
    """Return a WAVE file of them."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(samples)
    return file.getvalue()


def of_wave_file(content: bytes) -> bytes:
    """Return the samples of one."""
    with wave.open(io.BytesIO(content)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, RATE)
        return bytes(reader.readframes(reader.getnframes()))


def heard(recording: bytes, hertz: float) -> float:
    """Return for how many seconds a recording holds this tone and hardly anything else."""
    samples = array.array("h", recording[: len(recording) // 2 * 2])
    blocks = (samples[at : at + _BLOCK] for at in range(0, len(samples) - _BLOCK, _BLOCK))
    return sum(_is_tone(block, hertz) for block in blocks) * _BLOCK / RATE


def _is_tone(block: "array.array[int]", hertz: float) -> bool:
    """Compare the energy at one frequency (Goertzel's algorithm) with the energy of all."""
    energy = sum(sample * sample for sample in block)
    if math.sqrt(energy / len(block)) < _LOUD:
        return False
    factor = 2 * math.cos(2 * math.pi * hertz / RATE)
    last = before = 0.0
    for sample in block:
        last, before = sample + factor * last - before, last
    power = last * last + before * before - factor * last * before
    return power / (energy * len(block) / 2) > 0.9
