"""From anomaly maps to results: measures, searches over k, n and t, finished runs, ensembles, and the end of a run."""
