"""Rules that make one map of the levels of a space and of its head; each is a `fae.types.Rule`."""
