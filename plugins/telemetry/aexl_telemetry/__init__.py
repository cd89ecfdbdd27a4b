"""Spans and metrics of calls, exported by the OpenTelemetry protocol."""
