"""The authorization endpoint, and the interaction with the user that a request may need.

GET, POST /authorize               authorize.py    answers the client at once, or begins an interaction
GET  /interaction/{id}             interaction.py  shows the next page, or answers the client
POST /interaction/{id}/sign-in     sign_in.py      and back to the interaction
POST /interaction/{id}/account     account.py      and back to the interaction
POST /interaction/{id}/consent     consent.py      and back to the interaction, or to the client if access is denied
"""
