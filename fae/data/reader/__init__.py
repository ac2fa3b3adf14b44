"""Readers: each knows the layout of one kind of data set, and lists its files without decoding any."""
