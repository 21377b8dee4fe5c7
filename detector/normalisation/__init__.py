"""From the levels that a scanner stored to transmission, and from transmission to what it says of the cargo.

In this package the belt always runs along x: a row is one detector element through time, a column one moment. Pictures
of scanners whose belt runs along y are turned before and turned back after.
"""
