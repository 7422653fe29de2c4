"""One file per claim; each prints what it measures against what a user would run instead."""
