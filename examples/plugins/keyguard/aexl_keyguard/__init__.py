"""A gate that keeps keys and access tokens from being sent to a model."""
