"""Procedural twins of the five texture categories of MVTec AD, drawn from a random generator.

Every picture gets its own lighting, contrast and grain, and the textures have dark and light elements without defects,
so that neither brightness nor contrast reveals a defect (`fae.metric.trivial` measures this).
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Picture = NDArray[np.float32]


def smooth_noise(rng: Generator, size: int, scale: tuple[float, float]) -> Picture:
    """Draw Gaussian-smoothed noise `(size, size)` with mean 0 and standard deviation 1.

    `scale` holds the sizes of the noise's details, (down, across), in pixels.
    """
    small = [max(4, round(size / s * 4)) for s in scale]
    noise = rng.standard_normal(small).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 2.0, borderType=cv2.BORDER_REFLECT)
    noise = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-6), dtype=np.float32)


def _paint(value: Picture, dark: tuple[float, ...], light: tuple[float, ...]) -> Picture:
    """Colour a map `(S, S)` in [0, 1] by blending two RGB colours, and return a picture `(S, S, 3)`."""
    low, high = np.array(dark, np.float32), np.array(light, np.float32)
    return np.asarray(low + np.clip(value, 0, 1)[..., None] * (high - low), dtype=np.float32)


def wood(rng: Generator, size: int) -> Picture:
    """Draw vertical grain with dark pores, `(size, size, 3)`."""
    unit = size / 512
    bend = smooth_noise(rng, size, (300 * unit, 120 * unit)) * 8 * unit
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    grain = smooth_noise(rng, size, (600 * unit, 14 * unit)) + 0.6 * smooth_noise(rng, size, (200 * unit, 40 * unit))
    grain = cv2.remap(grain, columns + bend, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    value = 0.55 + 0.17 * grain
    for _ in range(rng.integers(50, 110)):
        x, y = rng.integers(0, size, 2)
        length, breadth = rng.uniform(8, 36) * unit, max(1, round(rng.uniform(1.5, 4) * unit))
        tip = (int(x + rng.normal(0, 1.5 * unit)), int(y + length))
        cv2.line(value, (int(x), int(y)), tip, float(rng.uniform(-0.1, 0.25)), breadth, cv2.LINE_AA)
    return _paint(value, (0.28, 0.15, 0.07), (0.86, 0.66, 0.42))


def carpet(rng: Generator, size: int) -> Picture:
    """Draw woven threads that lie over and under each other in turn, `(size, size, 3)`."""
    period = size / 22
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    wobble = smooth_noise(rng, size, (size / 5, size / 5)) * period * 0.12
    phase = rng.uniform(0, period, 2)
    u = (columns + wobble + phase[0]) / period
    v = (rows - wobble + phase[1]) / period
    over = (np.floor(u) + np.floor(v)) % 2
    across = np.abs(np.sin(np.pi * u)) ** 0.6
    down = np.abs(np.sin(np.pi * v)) ** 0.6
    value = np.where(over > 0, across * (0.75 + 0.25 * down), down * (0.55 + 0.25 * across))
    value = 0.1 + 0.75 * value + 0.06 * smooth_noise(rng, size, (5, 5))
    return _paint(value.astype(np.float32), (0.16, 0.13, 0.20), (0.66, 0.58, 0.72))


def grid(rng: Generator, size: int) -> Picture:
    """Draw a light wire mesh over a dark, mottled ground, `(size, size, 3)`."""
    period = size / 14
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    angle = np.pi / 4 + rng.normal(0, 0.02)
    wobble = smooth_noise(rng, size, (size / 4, size / 4)) * period * 0.05
    u = (columns * np.cos(angle) + rows * np.sin(angle) + wobble) / period + rng.uniform()
    v = (rows * np.cos(angle) - columns * np.sin(angle) + wobble) / period + rng.uniform()
    distance = np.minimum(np.abs(u - np.round(u)), np.abs(v - np.round(v)))
    wire = np.clip((0.2 - distance) / 0.07, 0, 1) * (0.8 + np.clip(0.2 - distance, 0, 1))
    value = 0.22 + 0.09 * smooth_noise(rng, size, (size / 20, size / 20)) + 0.6 * wire
    return _paint(value.astype(np.float32), (0.10, 0.14, 0.13), (0.78, 0.86, 0.80))


def leather(rng: Generator, size: int) -> Picture:
    """Draw rounded grains between dark creases, `(size, size, 3)`, from the distance to the nearest jittered point."""
    cells = 34
    pitch = size / cells
    centres = np.argwhere(np.ones((cells, cells))) + rng.uniform(0.1, 0.9, (cells**2, 2))
    centres = np.clip((centres * pitch).astype(int), 0, size - 1)
    seeds = np.full((size, size), 255, np.uint8)
    seeds[centres[:, 0], centres[:, 1]] = 0
    distance = cv2.distanceTransform(seeds, cv2.DIST_L2, 5) / pitch
    value = 0.85 - 0.75 * np.clip(distance, 0, 1) ** 1.5 + 0.08 * smooth_noise(rng, size, (90, 90))
    return _paint(value.astype(np.float32), (0.15, 0.07, 0.05), (0.72, 0.42, 0.30))


def tile(rng: Generator, size: int) -> Picture:
    """Draw granite: blobs of several greys with dark and light flecks, `(size, size, 3)`."""
    unit = size / 512
    coarse = smooth_noise(rng, size, (26 * unit, 26 * unit))
    medium = smooth_noise(rng, size, (12 * unit, 12 * unit))
    fleck = smooth_noise(rng, size, (14 * unit, 14 * unit))
    value = 0.5 + 0.14 * np.tanh(4 * coarse) + 0.07 * np.tanh(3 * medium)
    value = np.where(fleck > 1.5, 0.12, np.where(fleck < -1.5, 0.92, value)).astype(np.float32)
    return _paint(cv2.GaussianBlur(value, (0, 0), 1.2 * unit), (0.20, 0.22, 0.28), (0.84, 0.86, 0.80))


TEXTURES: dict[str, Callable[[Generator, int], Picture]] = {
    "carpet": carpet,
    "grid": grid,
    "leather": leather,
    "tile": tile,
    "wood": wood,
}


def photograph(rng: Generator, picture: Picture) -> NDArray[np.uint8]:
    """Light a picture `(S, S, 3)` in [0, 1] unevenly, vary its contrast and grain, and quantise it to uint8."""
    size = picture.shape[0]
    contrast, exposure = rng.uniform(0.82, 1.12), rng.normal(0, 0.035)
    slope = rng.normal(0, 0.025, 2)
    rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j].astype(np.float32)
    light = (exposure + slope[0] * rows + slope[1] * columns)[..., None]
    grain = rng.standard_normal((size, size, 1)).astype(np.float32) * rng.uniform(0.005, 0.04)
    lit = 0.48 + contrast * (picture - 0.48) + light + grain
    return np.asarray(np.clip(np.round(lit * 255), 0, 255), dtype=np.uint8)
