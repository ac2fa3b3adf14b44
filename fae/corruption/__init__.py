"""Synthetic damage, batched and on the device: whole corruptions, and the shapes and contents they are made of."""
