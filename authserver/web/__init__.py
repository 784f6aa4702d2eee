"""Everything Starlette: routes.py is the table of routes, each other file a family of endpoints."""
