"""A small client of the Model Context Protocol: enough to call one tool."""
