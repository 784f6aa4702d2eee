"""Which logos the pages show. Their content security policy allows no image from elsewhere (`img-src 'self' data:`):
its server would learn who signs in here, and when."""


def is_shown(uri: str, issuer: str) -> bool:
    """Whether pages of this issuer may load the image: it is on this server, or in the URL itself."""
    return uri.startswith(("data:image/", f"{issuer}/"))


def why_hidden(client_id: str, uri: str, issuer: str) -> tuple[str, str] | None:
    """Return what is wrong with a client's logo and how to fix it; None if it is shown, or if there is none."""
    if not uri or is_shown(uri, issuer):
        return None
    return (
        f"The logo of the client {client_id} is not shown: {uri} is on another server, which would learn who signs in.",
        "Put the file into the folder static of AUTHSERVER_PAGES_DIR, and run: "
        f"authserver client update {client_id} --logo-uri {issuer}/static/logo.png",
    )
