"""Where a patch of damage lies and what outline it has."""
