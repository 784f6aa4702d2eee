"""The OAuth protocol: handlers for the pipeline, client authentication and metadata. Authlib is the engine of the token
endpoint, in `registry.py`, `authlib_request.py`, `grant.py`, `client_auth.py` and `grants/`, and nowhere else."""
