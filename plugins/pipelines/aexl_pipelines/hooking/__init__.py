"""The pipeline's gates in a person's own session with an agent CLI, through that CLI's hooks."""
