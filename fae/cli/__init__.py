"""What every command shares: composing its configuration, checking its words, saying what is wrong, running sweeps."""
