"""Loggers, the results of a run that they receive, and the W&B workspace for sweeps."""
