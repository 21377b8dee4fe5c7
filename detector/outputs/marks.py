"""Marks on a shrunk scan: a frame that is seen however small the item is, and beside it a number with a line to it.

>>> draw_marks(picture, [Mark("1", (410, 96, 414, 99), PALETTE[0])], pen, least=30)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2

from detector.normalise import UInt8
from detector.outputs.drawing import ColourPair, Pen, Rectangle, clamped, filled, fit, frame, overlap

#: Distances of a number from its frame, in heights of the number, and directions, in the order in which they are tried.
_DISTANCES = (0.6, 1.5, 3.0, 5.0)
_DIRECTIONS = ((0, -1), (1, -1), (-1, -1), (1, 0), (-1, 0), (0, 1), (1, 1), (-1, 1))


@dataclass(frozen=True)
class Mark:
    """text: the number, empty for a frame alone. box: in pixels of the picture."""

    text: str
    box: Rectangle
    colours: ColourPair


def draw_marks(picture: UInt8, marks: Sequence[Mark], pen: Pen, least: int) -> list[Rectangle]:
    """Draws `marks`, the most important first; frames at least `least` pixels wide and high. Returns the places of the
    numbers: inside the picture, and off each other and all numbered frames where there is room."""
    framed = [_widened(mark.box, least, picture) for mark in marks]
    for mark, box in reversed(list(zip(marks, framed, strict=True))):
        frame(picture, box, mark.colours, pen.width)
    numbered = [(mark, box) for mark, box in zip(marks, framed, strict=True) if mark.text]
    taken: list[Rectangle] = []
    for mark, box in numbered:
        taken.append(_place(mark.text, box, picture, pen, [*taken, *(other for _, other in numbered)]))
    # All lines before all numbers: a number that a line runs through cannot be read.
    for (mark, box), place in zip(numbered, taken, strict=True):
        _lead(picture, place, box, mark.colours, pen.width)
    for (mark, _), place in zip(numbered, taken, strict=True):
        fitted, _, _ = fit(mark.text, pen, picture.shape[1], picture.shape[0])
        filled(picture, place, mark.text, mark.colours, fitted)
        cv2.rectangle(picture, place[:2], place[2:], mark.colours[1], max(1, pen.width // 3), cv2.LINE_8)
    return taken


def _widened(box: Rectangle, least: int, picture: UInt8) -> Rectangle:
    """The box, about its middle at least `least` pixels wide and high, inside the picture."""
    size = (max(box[2] - box[0] + 1, least), max(box[3] - box[1] + 1, least))
    x, y = (box[0] + box[2] + 1 - size[0]) // 2, (box[1] + box[3] + 1 - size[1]) // 2
    x, y = clamped(x, y, size, (picture.shape[1], picture.shape[0]))
    return x, y, min(picture.shape[1], x + size[0]) - 1, min(picture.shape[0], y + size[1]) - 1


def _place(text: str, box: Rectangle, picture: UInt8, pen: Pen, obstacles: Sequence[Rectangle]) -> Rectangle:
    """Where the number stands: the first place that is free, else the first of all, pushed inside."""
    _, width, height = fit(text, pen, picture.shape[1], picture.shape[0])
    x, y = (box[0] + box[2] - width) // 2, (box[1] + box[3] - height) // 2
    reach = ((box[2] - box[0] + width) / 2, (box[3] - box[1] + height) / 2)
    wishes = []
    for distance in _DISTANCES:
        for across, down in _DIRECTIONS:
            gap = distance * height
            wish = (x + round(across * (reach[0] + gap)), y + round(down * (reach[1] + gap)))
            place = clamped(*wish, (width, height), (picture.shape[1], picture.shape[0]))
            wishes.append((*place, place[0] + width - 1, place[1] + height - 1))
            if place == wish and not any(overlap(wishes[-1], other) for other in obstacles):
                return wishes[-1]
    return next((one for one in wishes if not any(overlap(one, other) for other in obstacles)), wishes[0])


def _lead(picture: UInt8, place: Rectangle, box: Rectangle, colours: ColourPair, width: int) -> None:
    """A line from the number to the nearest point of its frame."""
    middle = ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)
    start = _nearest(place, middle)
    end = _nearest(box, start)
    for colour, thickness in ((colours[1], width + 2 * max(1, width // 3)), (colours[0], width)):
        cv2.line(picture, start, end, colour, thickness, cv2.LINE_AA)


def _nearest(box: Rectangle, point: tuple[int, int]) -> tuple[int, int]:
    return max(box[0], min(point[0], box[2])), max(box[1], min(point[1], box[3]))
