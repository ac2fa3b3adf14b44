"""The shared part of all commands: composing and checking the configuration, explaining errors, running sweeps."""
