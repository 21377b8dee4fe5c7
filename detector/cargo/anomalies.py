"""What in a homogeneous load differs from the rest of it: regions without their like elsewhere in the same load.

A place is described by what an inspector looks at: how dense it is, how rough at several scales, which way its lines
run, and of which material it is. In a load of one kind of goods every place has many others like it, edges and gaps of
packages included; what was hidden among them has not. So the score of a place is its distance from the nearest few per
cent of all other places. Self-similarity as the model of what is normal: Davy, Ehret, Morel and Delbracio, "Reducing
anomaly detection in images to detection in noise", ICIP 2018.

>>> found = find_anomalies(exposures(scan, profile)[0], (5.0, 5.0), "MeV")
>>> found.homogeneity, found.regions
(0.97, (Anomaly(box_xyxy=(1210, 380, 1290, 444), score=7.1, room=0),))
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.cargo.occupancy import WALL_MM, Beam, Occupancy, measure_occupancy
from detector.cargo.rooms import FLOOR, Box, Cells, Pitch, opened
from detector.normalisation.air import BAND, Float32, attenuation
from detector.normalisation.exposure import Exposure

Bool = NDArray[np.bool_]

#: Sides of the windows that places are described by, and of the finest detail that noise leaves, mm.
WINDOW_MM, DETAIL_MM = 130.0, 10.0
#: Two scales at which roughness is measured, mm.
SCALES_MM = (10.0, 30.0)
#: Least squared contrast that roughness tells from noise.
QUIET = 1e-3
