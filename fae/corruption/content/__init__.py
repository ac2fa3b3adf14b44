"""Contents that fill a patch of damage; each is a `fae.corruption.part.Content`."""
