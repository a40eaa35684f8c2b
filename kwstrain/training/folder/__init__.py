"""What a run leaves on disk: its folder, the checkpoint, the events, the results."""
