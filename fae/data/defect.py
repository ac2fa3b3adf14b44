"""Defects drawn on synthetic textures, by other means than any training corruption.

Each public function draws a defect on a picture `(S, S, 3)` in [0, 1] in place, and returns its bool mask `(S, S)`.
Half of the drawn defects are lighter than their surroundings and half are darker, and colour changes keep the grey
value, so that darkness alone does not find the defects.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fae.data.texture import Picture, smooth_noise

Mask = NDArray[np.bool_]


def _curve(rng: Generator, size: int, length: float, wiggle: float) -> NDArray[np.int32]:
    """Return a smooth open curve `(P, 2)` in pixels: a walk whose direction drifts."""
    steps = 48
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, wiggle, steps))
    walk = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), 0) * length / steps
    middle = rng.uniform(0.25, 0.75, 2) * size
    return np.asarray(np.round(walk - walk.mean(0) + middle), dtype=np.int32)


def _polygon(rng: Generator, size: int, radius: float) -> NDArray[np.int32]:
    """Return a random simple polygon `(P, 2)` in pixels around a random centre."""
    corners = int(rng.integers(5, 10))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    distance = radius * rng.uniform(0.6, 1.3, corners)
    centre = rng.uniform(0.2, 0.8, 2) * size
    return np.asarray(
        np.round(centre + distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)), dtype=np.int32
    )


def _filled(size: int, polygon: NDArray[np.int32]) -> NDArray[np.uint8]:
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [polygon], 1)
    return mask


def _blend(picture: Picture, alpha: Picture, content: Picture) -> None:
    picture += alpha[..., None] * (content - picture)


def _tint(rng: Generator, strength: float) -> Picture:
    """Return an RGB shift `(3,)` whose channels sum to 0, so that the grey value stays."""
    angle = rng.uniform(0, 2 * np.pi) + np.array([0, 2, 4]) * np.pi / 3
    return np.asarray(strength * np.cos(angle), dtype=np.float32)


def scratch(rng: Generator, picture: Picture) -> Mask:
    """Draw a thin, nearly straight line that is lighter or darker than the picture."""
    size = picture.shape[0]
    line = np.zeros((size, size), np.uint8)
    width = max(2, round(rng.uniform(5, 11) * size / 512))
    cv2.polylines(line, [_curve(rng, size, rng.uniform(0.25, 0.6) * size, 0.05)], False, 255, width, cv2.LINE_AA)
    alpha: Picture = line.astype(np.float32) / np.float32(255)
    shift = rng.choice([-1, 1]) * rng.uniform(0.2, 0.35)
    _blend(picture, alpha, np.clip(picture + np.float32(shift), 0.03, 0.97))
    return np.asarray(alpha > 0.5)


def hole(rng: Generator, picture: Picture) -> Mask:
    """Draw a polygon whose smooth ground is shaded from one side to the other, around the mean colour."""
    size = picture.shape[0]
    mask = _filled(size, _polygon(rng, size, rng.uniform(0.05, 0.11) * size))
    rows, columns = np.nonzero(mask)
    angle = rng.uniform(0, 2 * np.pi)
    slope = (columns - columns.mean()) * np.cos(angle) + (rows - rows.mean()) * np.sin(angle)
    shade = 0.28 * slope / (np.abs(slope).max() + 1e-6)
    picture[rows, columns] = np.clip(picture.mean((0, 1)) + shade[:, None], 0, 1)
    return np.asarray(mask > 0)


def stain(rng: Generator, picture: Picture) -> Mask:
    """Draw a liquid with a ragged soft rim, which changes the hue but not the grey value."""
    size = picture.shape[0]
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    centre, radius = rng.uniform(0.25, 0.75, 2) * size, rng.uniform(0.07, 0.16) * size
    distance = np.hypot(rows - centre[0], columns - centre[1]) / radius
    ragged = distance + 0.18 * smooth_noise(rng, size, (size / 10, size / 10))
    alpha = np.clip((1.1 - ragged) / 0.2, 0, 1).astype(np.float32)
    _blend(picture, alpha, picture + _tint(rng, rng.uniform(0.16, 0.26)))
    return np.asarray(alpha > 0.5)


def thread(rng: Generator, picture: Picture) -> Mask:
    """Draw a curled two-coloured thread that lies on the surface."""
    size = picture.shape[0]
    width = max(2, round(rng.uniform(7, 13) * size / 512))
    points = _curve(rng, size, rng.uniform(0.4, 0.9) * size, 0.22)
    mask = np.zeros((size, size), np.uint8)
    tint = _tint(rng, rng.uniform(0.16, 0.26))
    base = picture.mean((0, 1)) + rng.choice([-1, 1]) * rng.uniform(0.05, 0.2)
    for i in range(len(points) - 1):
        twist = 0.1 if i % 4 < 2 else -0.1
        colour = np.clip(base + tint + twist, 0, 1)
        for drawn, value in ((picture, colour.tolist()), (mask, 1)):
            cv2.line(drawn, points[i].tolist(), points[i + 1].tolist(), value, width)
    return np.asarray(mask > 0)


def colour(rng: Generator, picture: Picture) -> Mask:
    """Draw a sharply bounded region, which changes the hue but not the grey value."""
    size = picture.shape[0]
    mask = _filled(size, _polygon(rng, size, rng.uniform(0.06, 0.14) * size))
    _blend(picture, mask.astype(np.float32), picture + _tint(rng, rng.uniform(0.16, 0.26)))
    return np.asarray(mask > 0)


DEFECTS: dict[str, Callable[[Generator, Picture], Mask]] = {
    "colour": colour,
    "hole": hole,
    "scratch": scratch,
    "stain": stain,
    "thread": thread,
}
