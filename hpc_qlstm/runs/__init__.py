"""What a run leaves on disk: its directory, metrics and checkpoints."""
