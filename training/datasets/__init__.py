"""Annotated scans: reading, counting, checking, showing."""
