"""Shapes, which set the place and the outline of a patch of damage."""
