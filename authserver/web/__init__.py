"""HTTP, with Starlette: routes.py contains the table of routes, and each other file one kind of endpoint."""
