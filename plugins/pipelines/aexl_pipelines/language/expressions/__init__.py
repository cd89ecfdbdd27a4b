"""Conditions and expressions: read with positions, checked before anything runs, evaluated on plain values."""
