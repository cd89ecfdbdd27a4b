"""The plane: tenants, workspaces, projects and their files, over HTTP."""
