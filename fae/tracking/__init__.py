"""Loggers, what they get of a run, and the workspace that shows it."""
