"""What a patch of damage is filled with; each is a `fae.corruption.part.Content`."""
