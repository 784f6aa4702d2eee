"""Clients, and the policy that applies to them. Times are microseconds since the epoch; lifetimes are seconds."""

from dataclasses import dataclass, field, replace
from typing import Any

from ..algorithms import DEFAULT, DEFAULT_TYP


@dataclass(frozen=True, slots=True)
class Policy:
    """Lifetimes (in seconds) and limits: the server's, or a client's own."""

    access_token_ttl: int = 900
    refresh_retry_window: int = 30
    refresh_idle_ttl: int = 7 * 86400
    refresh_absolute_ttl: int = 30 * 86400
    max_authorizations: int = 100
    rotation: bool = True
    code_ttl: int = 60
    code_retry_window: int = 10
    """A code that its client sends again within this time after its use is refused, and nothing else happens."""
    device_code_ttl: int = 600
    session_idle_ttl: int = 12 * 3600
    session_ttl: int = 7 * 86400
    max_sessions: int = 100


@dataclass(frozen=True, slots=True)
class Secret:
    """The SHA-256 of a generated client secret, and when it expires (microseconds; None is never)."""

    hash: bytes
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Client:
    id: str
    name: str
    auth_method: str
    grant_types: frozenset[str]
    scope: tuple[str, ...]
    audiences: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    disabled: bool = False
    created_at: int = 0
    access_token_alg: str = DEFAULT
    access_token_typ: str = DEFAULT_TYP
    web_origins: tuple[str, ...] = ()
    """Pages of these origins may call /token and /revoke from a browser (CORS)."""
    access_token_claims: tuple[str, ...] = ()
    """Names of the users' claims that its access tokens contain."""
    id_token_claims: tuple[str, ...] = ()
    """Names of the users' claims that its ID tokens contain, whatever the request asks for."""
    user_address_header: str = ""
    """The lower-case name of the request header in which this client, which must authenticate, names its user's
    address; empty if it names none."""
    id_token_alg: str = DEFAULT
    userinfo_alg: str = ""
    """Signs its responses from /userinfo; empty for plain JSON."""
    application_type: str = "web"
    """web or native. Only a native app may listen on any port of a loopback address (RFC 8252 s7.3)."""
    pkce: str = "required"
    """required or optional (domain/client_rules.py)."""
    first_party: bool = False
    """Whether it belongs to the operator, so that its users are not asked for consent."""
    client_uri: str = ""
    logo_uri: str = ""
    policy_uri: str = ""
    tos_uri: str = ""
    """Addresses for the pages that its users see; empty for none."""
    post_logout_redirect_uris: tuple[str, ...] = ()
    """Where a browser may be sent after a sign-out (RP-Initiated Logout s3)."""
    backchannel_logout_uri: str = ""
    """Where logout tokens are posted when a session ends (Back-Channel Logout s2.2); empty for nowhere."""
    subject_type: str = "public"
    """public or pairwise (domain/subjects.py)."""
    sector_identifier_uri: str = ""
    """Its host is the sector of pairwise subjects; without it, the one host of the redirect URIs is."""
    backchannel_logout_session_required: bool = False
    """Whether it needs `sid` in logout tokens. They always have it."""
    policy: dict[str, Any] = field(default_factory=dict)
    """This client's own values for fields of Policy; the server's policy applies to the rest."""

    @property
    def algorithms(self) -> frozenset[str]:
        """The algorithms that sign for this client."""
        return frozenset({self.access_token_alg, self.id_token_alg, self.userinfo_alg} - {""})

    def policy_over(self, servers: Policy) -> Policy:
        """Return the server's policy, with this client's own values in place of the server's."""
        return replace(servers, **self.policy) if self.policy else servers
