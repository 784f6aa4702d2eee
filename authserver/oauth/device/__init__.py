"""Devices whose users sign in elsewhere: the Device Authorization Grant (RFC 8628).

POST      /device_authorization    authorization.py  a device gets its device code, and the code that its user types
GET, POST /device                  user_code.py      the user types it, and an interaction begins in their browser
GET, POST /device/{id}             answer.py         shows the next page: whether to allow the device, and the result
POST      /device/{id}/sign-in     sign_in.py        and back to the interaction

Meanwhile, the device polls /token: oauth/grants/device_code.py.
"""

AUTHORIZATION_PATH = "/device_authorization"
PATH = "/device"
"""The page whose address a device shows (RFC 8628 s3.2: verification_uri)."""
