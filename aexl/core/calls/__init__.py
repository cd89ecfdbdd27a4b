"""The call path: plan, gates, book, provider, book; the one way to a model."""
