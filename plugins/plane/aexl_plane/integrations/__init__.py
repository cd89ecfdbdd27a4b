"""Integrations: what projects may do elsewhere, governed, with credentials that stay on the server."""
