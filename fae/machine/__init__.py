"""The parts that depend on the machine: memory, precision, locks, files that appear whole, versions and commits."""
