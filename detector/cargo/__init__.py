"""What a container officer asks besides: is it really empty, and does any part of a load differ from the rest of it.

Neither needs a network. Both work on transmission as `detector.normalisation.standardise.exposures` gives it.
"""

from __future__ import annotations
