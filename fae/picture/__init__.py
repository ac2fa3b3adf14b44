"""What people look at: panels, heatmaps, curves, contact sheets. No network, no run folder."""
