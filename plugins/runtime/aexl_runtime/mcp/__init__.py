"""A project's ``mcp_server`` as a server of the Model Context Protocol."""
