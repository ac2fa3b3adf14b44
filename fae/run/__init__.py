"""The parts of a run: identity, folder, beginning, network, trainer, predictions, facts and detector file."""
