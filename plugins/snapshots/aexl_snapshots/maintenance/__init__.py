"""Keeping a store sound and small: check, repair, gc."""
