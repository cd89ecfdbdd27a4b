"""Changes that a run proposes to its own pipeline file: read from an answer, judged, and written when a person agrees."""
