"""Exchanges with providers, recorded and replayed."""
