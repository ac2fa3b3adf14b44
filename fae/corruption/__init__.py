"""Synthetic damage, batched and on the device: whole corruptions, and the shapes and contents that make them up."""
