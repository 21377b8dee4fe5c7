"""The station's policy, read from TOML: at which scores a class alarms, refers, or is listed at all.

min_score = 0.10           # detections below are not listed, unless they made the decision
refer_opaque_share = 0.10  # more of the cargo than this behind which nothing can be seen: a person must look
refer_opaque_mm = 1000.0   # a square of this side, in mm, behind which nothing can be seen: a person must look
refer_unknown_colours_share = 0.005  # more of the cargo than this in colours that the weights never saw

[alarm]
lighter = 0.50          # in place of the weights' own alarm score, 0.92: finds more, alarms more

[refer]
gun = 0.03              # from here up to the alarm score, 0.06, a person must look

Any of these but min_score, set HIGHER than the weights' own or the default, clears scans that were stopped before.

>>> policy = load_policy(Path("policy.toml"))
>>> thresholds = policy.effective(spec.thresholds)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from detector.errors import SettingsInvalid
from detector.toml_settings import Number, nearest, read_toml, validated

Threshold = Annotated[Number, Field(gt=0, le=1)]
Floor = Annotated[Number, Field(ge=0, le=1)]


@dataclass(frozen=True)
class EffectiveThresholds:
    """What decides: the weights' alarm scores with the policy laid over them.

    alarm: every class of the weights. refer: only the classes that have one, each below the class's alarm score.
    min_score: floor of what is listed; whatever made the decision is listed all the same.
    """

    alarm: Mapping[str, float]
    refer: Mapping[str, float]
    min_score: float

    def decisive(self, class_name: str) -> float:
        """The lowest score of `class_name` that keeps a scan from being CLEAR."""
        return self.refer.get(class_name, self.alarm[class_name])

    def listed_from(self, class_name: str) -> float:
        """The lowest score of `class_name` that appears among a result's detections."""
        return min(self.min_score, self.decisive(class_name))


class Policy(BaseModel):
    """One station's policy. Raises pydantic's ValidationError where `load_policy` raises SettingsInvalid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alarm: dict[str, Threshold] = {}
    refer: dict[str, Threshold] = {}
    #: By default only what made the decision is listed: at a million scans a day the rest is noise.
    min_score: Floor = 1.0
    #: Share of what is not air that may be opaque in a scan which is cleared. Of 4,557 real luggage scans the
    #: most opaque has 0.07.
    refer_opaque_share: Floor = 0.1
    #: Side in millimetres of the largest opaque square in a scan which is cleared, where the profile gives a pixel
    #: pitch: a small share of a long vehicle is a large place.
    refer_opaque_mm: Number = Field(default=1000.0, gt=0)
    #: Share of the cargo that may have colours of no scanner that the weights know; None takes the weights' own.
    refer_unknown_colours_share: Floor | None = None

    def with_min_score(self, min_score: float) -> Policy:
        """The same policy with another floor. Raises SettingsInvalid outside 0..1."""
        return validated(Policy, self.model_dump() | {"min_score": min_score}, "--min-score")

    def check_classes(self, class_names: Iterable[str]) -> None:
        """Raises SettingsInvalid, with the nearest name, when a class is none of the weights'."""
        known = tuple(class_names)
        for table, thresholds in (("alarm", self.alarm), ("refer", self.refer)):
            for name in thresholds:
                if name not in known and name in Policy.model_fields:
                    raise SettingsInvalid(
                        f"policy: {name} stands in [{table}], where it would be a class",
                        remedy=f"put the line {name} = ... before the first table of the file",
                    )
                if name not in known:
                    raise SettingsInvalid(
                        f"policy: [{table}] names the class {name!r}, which the weights do not know"
                        f"{nearest(name, known)}",
                        remedy=f"the weights' classes are: {', '.join(known)}",
                    )

    def effective(self, weights_thresholds: Mapping[str, float]) -> EffectiveThresholds:
        """The policy laid over the weights' own alarm scores, class -> score.

        Raises SettingsInvalid for a class that the weights do not know, and for a refer score that is not below the
        alarm score of its class: that could only hide what its author meant.
        """
        self.check_classes(weights_thresholds)
        alarm = {**weights_thresholds, **self.alarm}
        for name, score in self.refer.items():
            if score >= alarm[name]:
                raise SettingsInvalid(
                    f"policy: [refer] {name} = {score:g} is not below its alarm score {alarm[name]:g}",
                    remedy="give a refer score below the alarm score, or leave it out",
                )
        return EffectiveThresholds(alarm, dict(self.refer), self.min_score)

    def fingerprint(self, **others: str | int | float) -> str:
        """SHA-256, hex, of all settings a result depends on; `others` are those outside the policy (such as tile).

        Independent of the order of the keys in the file. The weights' own thresholds are covered by their digest.
        """
        settings = {"policy": self.model_dump(exclude_none=True), "others": others}
        canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def load_policy(path: Path) -> Policy:
    """The policy in a TOML file. Raises SettingsInvalid for anything that cannot be taken as it stands."""
    return validated(Policy, read_toml(path), str(path))
