"""Roentgate's station side: finds prohibited items in X-ray scans.

>>> from detector import Detector
>>> Detector("luggage").inspect("scan.png").decision
<Decision.ALARM: 'ALARM'>
"""

from detector.detections import Detection, Detections
from detector.errors import RoentgateError
from detector.inspection import Decision, Inspection
from detector.pipeline import Detector
from detector.scan import Scan
from detector.settings import Policy, load_policy

__all__ = [
    "Decision",
    "Detection",
    "Detections",
    "Detector",
    "Inspection",
    "Policy",
    "RoentgateError",
    "Scan",
    "load_policy",
]
