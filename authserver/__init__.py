"""An OAuth 2 and OpenID Connect server, and a guard for APIs. Start reading at `pipeline/pipeline.py`: it handles every
request.

domain/     pure values and decisions about tokens, keys and scopes (standard library only)
store/      the only SQL: tables, migrations, grouped commits
backup/     backup and restore of a SQLite database
keyring/    signing keys and refresh-token keys: sign and publish; keyring/lifecycle/ generates, rotates, revokes them
fetch/      outgoing HTTP: the guard for every request that the server sends
passwords.py  PRECIS forms and Argon2id; foreign_hashes.py  hashes of imported users
file_modes.py  who may read keys and databases
pool.py  threads with a bounded, fair queue; cpu.py  CPUs and priorities; shared_call.py  one run for many callers
event_delivery/  delivers the audit trail to a webhook and to the operator's function
outbox/     sends emails and logout tokens; retries for a day
mail/       composes emails and hands them to a mail server
templates.py  templates in each language; an operator can replace any of them
claims_hook.py  calls the operator's function for claims that the database does not hold; hook_function.py  imports it
pipeline/   the steps of every request, the interface of handlers, errors and replies (no grants, no Authlib)
accounts/   people: how they sign in, independent of OAuth
oauth/      the protocol: handlers for grants (with Authlib), revocation, introspection; client authentication, metadata
web/        HTTP, with Starlette: one file for each family of endpoints; web/browser/ has the pages, with Jinja
observability/  metrics for Prometheus, traces for OpenTelemetry; logs.py  the log
resource/   the resource server's side: Guard, which needs nothing else from authserver
testing/    the whole server in memory, for the tests of APIs and clients
serving/    uvicorn, processes, signals, sockets
app.py      puts the layers together; cli/  the command; settings/  every setting
background.py  tasks that repeat in the background; provisioning.py  opens, creates and checks databases and keys
clock.py    the server's clock; timekeeper.py  keeps it right; system.py  the machine's clocks, and randomness
"""

__version__ = "0.1.0"
