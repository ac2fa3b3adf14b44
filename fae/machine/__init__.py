"""What depends on the machine: memory, precision, files that appear whole, versions and commits."""
