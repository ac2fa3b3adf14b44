"""Metrics of how well maps and scores tell normal from anomalous: exact by sorting, or streaming by counting."""
