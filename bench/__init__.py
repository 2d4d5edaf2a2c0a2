"""Measurements: cold starts, warm CPU, the snapshot worker, the planner. Run as ``python -m bench``.

Everything is measured next to a baseline in the same run. Compare the ratios, not the absolute figures.
"""
