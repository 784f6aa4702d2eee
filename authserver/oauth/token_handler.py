"""The base of handlers that look at tokens of this server."""

from typing import Any

from ..domain import claims
from ..domain.errors import KeyMissing
from ..pipeline.errors import Stale
from ..pipeline.handler import Handler
from ..pipeline.replies import Reply


class TokenHandler(Handler[Reply]):
    def verified(self, access_token: str) -> dict[str, Any] | None:
        """Return the claims of an access token that this server issued, even if it has expired; otherwise None.

        Raises KeyMissing at the first attempt if the key may be one that this process has not read yet: after `keys
        revoke --all`, another process may already sign with it."""
        keyring = self.services.keyring
        own_claims = keyring.verify(access_token)
        if own_claims is None and self.attempt.number == 0 and keyring.may_be_newer(access_token):
            raise KeyMissing("This process may not have read the key of the access token yet.")
        return own_claims if own_claims and claims.is_ours(own_claims, self.services.issuer) else None

    def has_come(self, at: int) -> bool:
        """Whether it is `at` (microseconds) or later.

        Raises Stale at the first attempt if it is: the database's clock may have been set back, and another process,
        which has read it since, may have issued what seems to have expired here."""
        is_past = at <= self.now
        if is_past and self.attempt.number == 0:
            raise Stale
        return is_past
