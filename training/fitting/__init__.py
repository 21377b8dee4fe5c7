"""One training: checked before its first step, resumable to the step, one at a time in a folder."""
