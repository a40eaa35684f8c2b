"""From a file and a TrainConfig to a run folder."""
