"""An OAuth 2 / OpenID Connect authorization server; a request travels `oauth/road.py`, start reading there.

domain/     pure values and decisions: what a token, a key, a scope means (standard library only)
store/      the only SQL: tables, migrations, grouped commits
keyring.py  sealed signing keys and refresh-token keys: load, seal, sign, publish
passwords.py  PRECIS forms and Argon2id
oauth/      the protocol, with Authlib: the road, the grants, client authentication, metadata
web/        HTTP, with Starlette: one file for each family of endpoints
resource/   the resource server's side: Guard (stands alone)
app.py      puts the layers together; cli.py is the command; settings.py every setting; system.py clock and randomness
"""

__version__ = "0.1.0"
