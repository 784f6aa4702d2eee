"""The OAuth protocol: handlers for the pipeline, client authentication and metadata. Authlib drives the token endpoint.
It is used in `registry.py`, `authlib_request.py`, `grant.py`, `client_auth.py` and `grants/`, and nowhere else."""
