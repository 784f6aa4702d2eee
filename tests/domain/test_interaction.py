"""The next step of a request: for every combination of what it asks for, who is signed in, and what they have done."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from authserver.domain import interaction as interactions
from authserver.domain.authorization_request import AuthorizationRequest, ResponseTarget
from authserver.domain.claims_parameter import ClaimsParameter
from authserver.domain.interaction import ERRORS, NOTHING_DONE, Progress, Step
from authserver.domain.models import SECOND, Client, Consent, Session
from tests.harness.sign_in_rows import consent, interaction, session

NOW = 1_800_000_000 * SECOND
REQUEST = AuthorizationRequest(
    target=ResponseTarget("https://client.example/cb", "query", None),
    scope=("openid",),
    resources=(),
    code_challenge="",
    nonce="",
    prompts=frozenset(),
    max_age=None,
    login_hint="",
    id_token_hint="",
    claims_text="",
    claims=ClaimsParameter(),
)
CLIENT = Client("app", "App", "none", frozenset(), ("openid", "read"))
REQUESTS = st.builds(
    lambda prompts, max_age, scope, subjects, uri: replace(
        REQUEST,
        prompts=prompts,
        max_age=max_age,
        scope=scope,
        subjects=subjects,
        target=ResponseTarget(uri, "query", None),
    ),
    st.frozensets(st.sampled_from(["login", "consent", "select_account"])),
    st.sampled_from([None, 0, 1, 60]),
    st.sampled_from([(), ("openid",), ("openid", "read")]),
    st.sampled_from([None, frozenset({"u_ada"}), frozenset({"u_bob"}), frozenset[str]()]),
    st.sampled_from(["https://client.example/cb", "http://127.0.0.1:5000/cb", "com.example.app:/cb"]),
)
SESSIONS = st.one_of(st.none(), st.sampled_from([0, 1, 2, 59, 60, 61]).map(lambda age: session(1, NOW - age * SECOND)))
PROGRESS = st.builds(Progress, st.booleans(), st.booleans(), st.booleans())
CONSENTS = st.sampled_from([None, consent(NOW, scope=()), consent(NOW), consent(NOW, scope=("openid", "read"))])
NATIVE = replace(CLIENT, application_type="native")
CLIENTS = st.sampled_from([CLIENT, replace(CLIENT, first_party=True), NATIVE])


@given(REQUESTS, CLIENTS, PROGRESS, SESSIONS, CONSENTS)
def test_oidc_core_3_1_2_1_an_answer_means_that_all_was_done_that_was_asked_for(
    request: AuthorizationRequest, client: Client, progress: Progress, session: Session | None, allowed: Consent | None
) -> None:
    step = interactions.next_step(request, client, progress, session=session, consent=allowed, now=NOW)
    if step is not Step.ANSWER:
        assert ERRORS[step] in ("login_required", "account_selection_required", "consent_required")
        return
    assert session is not None
    assert request.subjects is None or session.user_id in request.subjects
    age = (NOW - session.authenticated_at) // SECOND
    assert progress.signed_in or ("login" not in request.prompts and request.max_age != 0)
    assert progress.signed_in or request.max_age is None or age <= request.max_age
    assert "select_account" not in request.prompts or progress.chosen or progress.signed_in
    assert "consent" not in request.prompts or progress.agreed
    assert client.first_party or not interactions.needs_consent(request, client, allowed)
    is_web = client != NATIVE or request.target.redirect_uri.startswith("https://")
    assert is_web or progress.agreed, "RFC 8252 s8.6: another app may pose as it"


@given(REQUESTS, CLIENTS, PROGRESS, SESSIONS, CONSENTS)
def test_doing_what_the_step_asks_for_leads_on_and_never_in_circles(
    request: AuthorizationRequest, client: Client, progress: Progress, before: Session | None, allowed: Consent | None
) -> None:
    present = before
    seen: list[Step] = []
    while True:
        step = interactions.next_step(request, client, progress, session=present, consent=allowed, now=NOW)
        assert step not in seen
        seen.append(step)
        if step is Step.SIGN_IN:
            present, progress = session(2, NOW), replace(progress, signed_in=True, chosen=True)
        elif step is Step.CHOOSE_ACCOUNT:
            progress = replace(progress, chosen=True)
        elif step is Step.CONSENT:
            progress, allowed = replace(progress, agreed=True), consent(NOW, scope=("openid", "read"))
        else:
            assert step in (Step.ANSWER, Step.OTHER_USER)
            return


def test_what_another_user_did_in_the_browser_does_not_count() -> None:
    done = interaction(1, NOW, session_id=(1).to_bytes(16), signed_in=True, chosen=True, agreed=True)
    assert interactions.progress_of(done, session(1, NOW)) == Progress(True, True, True)
    assert interactions.progress_of(done, session(2, NOW)) == NOTHING_DONE
    assert interactions.progress_of(done, None) == NOTHING_DONE
