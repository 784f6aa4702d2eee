"""Advice for an operator whose database rejects us. It recognises only messages in English. No I/O."""

import re

_DOCUMENTATION = "docs/how-to/postgresql.md shows how to set up a role, a database and TLS"
_ADVICE = (
    (
        r"password authentication failed|no password supplied|SASL authentication failed",
        "Correct the user name or password in AUTHSERVER_DATABASE_URL. Percent-encode special characters in the "
        "password (@ is %40).",
    ),
    (
        r'role "[^"]*" (does not exist|is not permitted to log in)',
        "Create the role, as an administrator of PostgreSQL:\n\n    CREATE ROLE <user> LOGIN PASSWORD '<password>'",
    ),
    (
        r'database "[^"]*" does not exist|no such database',
        "Create the database, as an administrator of PostgreSQL:\n\n    CREATE DATABASE <database> OWNER <user>",
    ),
    (
        r"no pg_hba.conf entry|pg_hba.conf rejects connection|SSL required",
        "If the server accepts TLS connections only, add to AUTHSERVER_DATABASE_URL:\n\n"
        "    ?sslmode=verify-full&sslrootcert=<file of the certificate authority>\n\n"
        "Otherwise allow this connection in the server's pg_hba.conf, then reload PostgreSQL:\n\n"
        "    hostssl <database> <user> <this machine's address>/32 scram-sha-256",
    ),
    (
        r"server does not support SSL",
        "Turn on TLS in PostgreSQL (ssl = on), or, on a network that you trust, remove sslmode from "
        "AUTHSERVER_DATABASE_URL.",
    ),
    (
        r"certificate verify failed|root certificate file|does not match host name",
        "Name the certificate authority's file in AUTHSERVER_DATABASE_URL (sslrootcert=<file>), and write the host as "
        "in its certificate.",
    ),
    (
        r"permission denied for (schema|database)|no schema has been selected",
        "Let the role create tables, as the owner of the database:\n\n"
        "    GRANT USAGE, CREATE ON SCHEMA public TO <user>",
    ),
    (
        r"permission denied for|must be owner of",
        "Run this with the role that owns the tables, or let this role use them, as their owner:\n\n"
        "    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO <user>",
    ),
)


def advice(words: str) -> list[str]:
    """Return advice for the driver's message; none if there is none for it."""
    return next(([f"{todo}\n\n{_DOCUMENTATION}"] for pattern, todo in _ADVICE if re.search(pattern, words)), [])
