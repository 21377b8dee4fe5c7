"""Closed outlines and open paths in cm, to draw solids with."""

from __future__ import annotations

import numpy as np

from training.simulation.solids import Outline, Point


def rectangle(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """Four corners."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def rounded_rectangle(width: float, height: float, radius: float, centre: Point = (0.0, 0.0)) -> list[Point]:
    """A rectangle about `centre` with round corners."""
    radius = min(radius, width / 2, height / 2)
    turns = np.linspace(0, np.pi / 2, 9)
    points: list[Point] = []
    for quarter, (sign_x, sign_y) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        angle = turns + quarter * np.pi / 2
        x = centre[0] + sign_x * (width / 2 - radius) + radius * np.cos(angle)
        y = centre[1] + sign_y * (height / 2 - radius) + radius * np.sin(angle)
        points += list(zip(x.tolist(), y.tolist(), strict=True))
    return points


def ellipse(centre: Point, radii: Point, turn: float = 0.0) -> list[Point]:
    """36 points on an ellipse with the given semi-axes, turned by `turn` degrees."""
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    along, across = radii[0] * np.cos(angle), radii[1] * np.sin(angle)
    x, y = centre[0] + along * cosine - across * sine, centre[1] + along * sine + across * cosine
    return list(zip(x.tolist(), y.tolist(), strict=True))


def smooth(points: Outline, closed: bool = True, steps: int = 8) -> list[Point]:
    """A Catmull-Rom curve through the points: hand-drawn corners become an organic shape."""
    given = np.array(points, np.float64)
    around = np.vstack([given[-1:], given, given[:2]]) if closed else np.vstack([given[:1], given, given[-1:]])
    time = np.linspace(0, 1, steps, endpoint=False)[:, None]
    curve: list[Point] = []
    for before, start, end, after in zip(around[:-3], around[1:-2], around[2:-1], around[3:], strict=True):
        part = 0.5 * (
            2 * start
            + (end - before) * time
            + (2 * before - 5 * start + 4 * end - after) * time**2
            + (3 * start - before - 3 * end + after) * time**3
        )
        curve += [(float(x), float(y)) for x, y in part]
    return curve if closed else [*curve, (float(given[-1, 0]), float(given[-1, 1]))]


def blob(
    generator: np.random.Generator, width: float, height: float, roughness: float, centre: Point = (0.0, 0.0)
) -> list[Point]:
    """A soft rectangle (a superellipse of order 5) whose outline wanders by `roughness` cm."""
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    radius = (np.abs(cosine / (width / 2)) ** 5 + np.abs(sine / (height / 2)) ** 5) ** (-1 / 5)
    radius = radius + roughness * generator.standard_normal(28)
    x, y = centre[0] + radius * cosine, centre[1] + radius * sine
    return smooth(list(zip(x.tolist(), y.tolist(), strict=True)))


def arc(centre: Point, radius: float, start: float, stop: float) -> list[Point]:
    """17 points on a circle from `start` to `stop` degrees, clockwise on the screen."""
    angle = np.radians(np.linspace(start, stop, 17))
    x, y = centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def coil(generator: np.random.Generator, size: float, turns: float, loose: float) -> list[Point]:
    """A loosely wound cable about the origin, `size` cm across; `loose` in 0..1 disturbs it."""
    count = max(8, int(turns * 9))
    angle = np.linspace(0, 2 * np.pi * turns, count) + generator.uniform(0, 6.28)
    radius = size / 2 * (1 - loose * generator.uniform(0, 0.6, count))
    squash = generator.uniform(0.35, 1.0)
    drift = np.cumsum(generator.normal(0, loose * size * 0.02, (count, 2)), 0)
    x, y = radius * np.cos(angle) + drift[:, 0], squash * radius * np.sin(angle) + drift[:, 1]
    return smooth(list(zip(x.tolist(), y.tolist(), strict=True)), closed=False, steps=6)
