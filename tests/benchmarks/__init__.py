"""Measurements, as ratios to a bare loop in the same run. `make bench` prints a table and writes JSON."""
