"""Small data sets in the exact layout of each public set, made here: one module a set, named as its adapter.

A module has `build(root)`, and of what it builds: SPLITS, scans a split; BOXES, boxes a label; GROUPS, how many groups.
"""
