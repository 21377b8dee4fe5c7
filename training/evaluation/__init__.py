"""Scores an exported network on annotated scans: AP, Pd at Pfa, thresholds, curves, galleries, report."""
