"""What has to happen before an authorization request can be answered (OpenID Connect Core s3.1.2.3, s3.1.2.4)."""

from dataclasses import dataclass, replace
from enum import Enum

from . import session_state
from .authorization_request import CREATE, AuthorizationRequest
from .models import Client, Consent, Interaction, Session


class Step(Enum):
    """What comes next."""

    SIGN_IN = "sign_in"
    OTHER_USER = "other_user"
    """The user who has just signed in is not the one that the request names, which is an error."""
    CHOOSE_ACCOUNT = "choose_account"
    CONSENT = "consent"
    ANSWER = "answer"


# OpenID Connect Core s3.1.2.6: the error that a client gets with prompt=none, instead of a page.
ERRORS = {
    Step.SIGN_IN: "login_required",
    Step.OTHER_USER: "login_required",
    Step.CHOOSE_ACCOUNT: "account_selection_required",
    Step.CONSENT: "consent_required",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """What the user of the present session has done since the interaction began. These are facts and not comparisons of
    times: two sign-ins may have the same second."""

    signed_in: bool = False
    chosen: bool = False
    agreed: bool = False


NOTHING_DONE = Progress()


def progress_of(interaction: Interaction, session: Session | None) -> Progress:
    """Return what the user of `session` has done. What somebody else did in this browser does not count."""
    if session is None or interaction.session_id != session.id:
        return NOTHING_DONE
    return Progress(interaction.signed_in, interaction.chosen, interaction.agreed)


def with_progress(
    interaction: Interaction, session: Session, *, chosen: bool = False, agreed: bool = False
) -> Interaction:
    """Return the interaction with what the user of `session` has done, and does now."""
    done = progress_of(interaction, session)
    return replace(
        interaction,
        session_id=session.id,
        signed_in=done.signed_in,
        chosen=done.chosen or chosen,
        agreed=done.agreed or agreed,
    )


def next_step(
    request: AuthorizationRequest,
    client: Client,
    progress: Progress,
    *,
    session: Session | None,
    consent: Consent | None,
    now: int,
) -> Step:
    """Return the next step of the request of `client`. `session` is an active one. `now` is in microseconds."""
    if session is None or not (progress.signed_in or _is_recent_enough(request, session, now)):
        return Step.SIGN_IN
    # OpenID Connect Core s3.1.2.1: if the End-User identified by the ID Token is logged in or is logged in as a result
    # of the request ... positive response; otherwise, it MUST return an error, such as login_required.
    if not request.accepts(session.user_id):
        return Step.OTHER_USER if progress.signed_in else Step.SIGN_IN
    if "select_account" in request.prompts and not (progress.chosen or progress.signed_in):
        return Step.CHOOSE_ACCOUNT
    if needs_consent(request, client, consent) or (_asks_each_time(request, client) and not progress.agreed):
        return Step.CONSENT
    return Step.ANSWER


def needs_consent(request: AuthorizationRequest, client: Client, consent: Consent | None) -> bool:
    """Whether the request asks for more than its user has agreed to. The operator's own clients need no consent."""
    if client.first_party:
        return False
    return consent is None or not consent.covers(request.scope, request.claim_names, request.resources)


def _asks_each_time(request: AuthorizationRequest, client: Client) -> bool:
    """Whether the user must agree to this very request, whatever they have agreed to before."""
    if "consent" in request.prompts:
        return True
    # RFC 8252 s8.6: unless the identity of the client can be proven, the request SHOULD be processed as if no previous
    # request had been approved. Any app on the device can receive what goes to a loopback port or an app's own scheme;
    # claimed "https" scheme redirects MAY be accepted as proof.
    is_proven = client.auth_method != "none" or request.target.redirect_uri.startswith("https://")
    return client.application_type == "native" and not (is_proven or client.first_party)


def _is_recent_enough(request: AuthorizationRequest, session: Session, now: int) -> bool:
    """Whether the request accepts a sign-in before it."""
    if {"login", CREATE} & request.prompts or request.max_age == 0:
        return False
    # OpenID Connect Core s3.1.2.1: if the elapsed time is greater than this value, the OP MUST attempt to actively
    # re-authenticate the End-User.
    return request.max_age is None or session_state.is_recent(session, request.max_age, now)
