"""Several processes for one run: starting them, and normalising over all of their images."""
