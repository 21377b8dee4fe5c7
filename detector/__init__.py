"""Roentgate's station side: finds prohibited items in X-ray scans.

>>> from detector import Detector
>>> Detector("luggage").inspect("scan.png").decision
<Decision.ALARM: 'ALARM'>
"""

from detector.detections import Detection, Detections
from detector.errors import RoentgateError
from detector.inspection import Decision, Inspection
from detector.network import Provider
from detector.pipeline import Detector
from detector.readers import Limits
from detector.scan import Scan
from detector.scanner_profile import ScannerProfile, load_profile
from detector.settings import Policy, load_policy

__all__ = [
    "Decision",
    "Detection",
    "Detections",
    "Detector",
    "Inspection",
    "Limits",
    "Policy",
    "Provider",
    "RoentgateError",
    "Scan",
    "ScannerProfile",
    "load_policy",
    "load_profile",
]
