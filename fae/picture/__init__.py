"""Pictures for people: panels, heatmaps, curves and contact sheets. They need neither a network nor a run folder."""
