"""Sign-out: of a browser, and at the applications that the session was used for.

GET, POST /logout        logout.py        ends the browser's session and goes back to the client, or asks first
POST /logout/confirm     logout.py        the person's answer
                         back_channel.py  posts logout tokens to the clients of a session that has ended
"""
