"""What the sign-in page offers besides signing in."""

from ..pipeline.handler import Services


def other_ways(services: Services, interaction_id: bytes | None = None) -> dict[str, str]:
    """Return the paths to a new password and to a new account, each empty if the server does not offer it."""
    query = f"?interaction={interaction_id.hex()}" if interaction_id else ""
    return {
        "reset_path": f"/reset{query}" if services.mail else "",
        "sign_up_path": f"/sign-up{query}" if services.sign_up else "",
    }
