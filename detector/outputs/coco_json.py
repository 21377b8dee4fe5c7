"""detections.coco.json: what was found, as a COCO data set that pycocotools and faster-coco-eval load."""

from __future__ import annotations

import json
from pathlib import Path

from detector.outputs.atomic import text_written_whole
from detector.outputs.record import Record, Results, RunContext


def write_coco_json(path: Path, results: Results, context: RunContext) -> None:
    """Writes images, annotations with `score`, and categories with ids from 1 in the order of the weights' classes.

    Each view of a scan is an image: those of one scan share `file_name` and differ in `view`, from 1. Scans that could
    not be decoded have no size and are left out. Raises OSError.
    """
    category_ids = {name: number for number, name in enumerate(context.class_names, start=1)}
    images: list[Record] = []
    annotations: list[Record] = []
    for stored in results:
        _add(json.loads(stored.line), category_ids, images, annotations)
    content = {
        "info": {"description": "Detections of Roentgate", "weights": context.weights},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name, "supercategory": "item"} for name, number in category_ids.items()],
    }
    with text_written_whole(path) as file:
        json.dump(content, file, allow_nan=False)
        file.write("\n")


def _add(record: Record, category_ids: dict[str, int], images: list[Record], annotations: list[Record]) -> None:
    """Appends one scan's images and annotations."""
    if record["width"] is None:
        return
    before = len(images)
    sizes = record.get("view_sizes", [[record["width"], record["height"]]])
    for view, (width, height) in enumerate(sizes, start=1):
        image = {"id": before + view, "file_name": record["scan"], "width": width, "height": height}
        images.append(image | {"view": view, "decision": record["decision"], "sha256": record["sha256"]})
    for one in record["detections"]:
        x1, y1, x2, y2 = one["box_xyxy"]
        box = [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)]
        annotation = {"id": len(annotations) + 1, "image_id": before + one.get("view", 1)}
        annotation |= {"category_id": category_ids[one["class"]], "bbox": box, "area": round(box[2] * box[3], 2)}
        annotations.append(annotation | {"iscrowd": 0, "score": one["score"]})
