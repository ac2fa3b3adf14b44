"""From anomaly maps to results: measures, searches over k, n and t, finished runs, ensembles, and a run's end."""
