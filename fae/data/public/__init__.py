"""Readers of public data sets: each knows one layout, its masks and counts; none decodes an image unless it must."""
