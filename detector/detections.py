"""What was found in a scan, as a struct of arrays.

>>> found = Detections.empty(("gun", "knife"))
>>> len(found)
0
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import supervision

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Detection:
    """One detection, for people who loop. box_xyxy in pixels of the view as stored; view counts from 0."""

    class_name: str
    score: float
    box_xyxy: tuple[float, float, float, float]
    view: int


@dataclass(frozen=True, eq=False)
class Detections:
    """n detections of one scan; equal to others of the same numbers and class names, in the same order.

    boxes_xyxy: (n, 4) float32, x1 y1 x2 y2 in pixels of the view as stored, origin at the top left corner.
    scores: (n,) float32, 0..1. class_ids: (n,) int64 into class_names. views: (n,) int64, page of the scan, from 0.
    """

    boxes_xyxy: Float32
    scores: Float32
    class_ids: Int64
    views: Int64
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.boxes_xyxy.shape != (count, 4) or len(self.class_ids) != count or len(self.views) != count:
            raise ValueError("boxes_xyxy (n, 4), scores (n,), class_ids (n,) and views (n,) must agree in n")

    @classmethod
    def empty(cls, class_names: tuple[str, ...]) -> Detections:
        """No detections."""
        none = np.zeros(0, np.int64)
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), none, none, class_names)

    @classmethod
    def concatenate(cls, parts: list[Detections], class_names: tuple[str, ...]) -> Detections:
        """All of `parts`, in order."""
        if not parts:
            return cls.empty(class_names)
        return cls(
            np.concatenate([part.boxes_xyxy for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.class_ids for part in parts]),
            np.concatenate([part.views for part in parts]),
            class_names,
        )

    def __len__(self) -> int:
        return len(self.scores)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Detections):
            return NotImplemented
        names = ("boxes_xyxy", "scores", "class_ids", "views")
        alike = all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)
        return alike and self.class_names == other.class_names

    @overload
    def __getitem__(self, index: int) -> Detection: ...

    @overload
    def __getitem__(self, index: slice | list[int] | NDArray[np.bool_ | np.integer[Any]]) -> Detections: ...

    def __getitem__(self, index: Any) -> Detection | Detections:
        """The detections that a mask, a slice or an index array selects; one detection for a number."""
        if isinstance(index, int | np.integer):
            return next(iter(self[[int(index)]]))
        return Detections(
            self.boxes_xyxy[index], self.scores[index], self.class_ids[index], self.views[index], self.class_names
        )

    def __iter__(self) -> Iterator[Detection]:
        for box, score, class_id, view in zip(
            self.boxes_xyxy.tolist(), self.scores.tolist(), self.class_ids.tolist(), self.views.tolist(), strict=True
        ):
            yield Detection(self.class_names[class_id], score, (box[0], box[1], box[2], box[3]), view)

    def sorted_by_score(self) -> Detections:
        """Highest score first; ties keep their order, so that two runs write the same file."""
        return self[np.argsort(-self.scores, kind="stable")]

    def to_supervision(self) -> supervision.Detections:
        """The same as `supervision.Detections`, for people who hold that library (it is not a dependency); `view`, from
        0, is in its data, as boxes of another view are other pixels."""
        import supervision

        return supervision.Detections(
            xyxy=self.boxes_xyxy.copy(),
            confidence=self.scores.copy(),
            class_id=self.class_ids.copy(),
            data={
                "class_name": np.array([self.class_names[index] for index in self.class_ids], dtype=str),
                "view": self.views.copy(),
            },
        )
