"""Comparisons with raw APSW, side by side in one run; never part of the tests. `python -m benchmarks` runs them."""
