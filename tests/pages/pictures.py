"""Takes the pictures of docs/how-to/pages.md, after a page has changed: .venv/bin/python -m tests.pages.pictures

Beside them stands a digest of what each shows, so that a test can tell whether they are current without a browser that
draws exactly alike."""

import json
from hashlib import sha256
from pathlib import Path

from authserver.web.browser.templates import STATIC
from tests.harness.chromium import launched
from tests.pages.showing import ISSUER, client
from tests.pages.watched import Watched

FOLDER = Path(__file__).parents[2] / "docs" / "how-to" / "pictures"
DIGESTS = FOLDER / "digests.json"
PICTURES = {"sign_in": "/sign-in", "consent": "/consent", "error": "/expired"}
PICTURES |= {"account": "/account", "sessions": "/account/sessions", "applications": "/account/applications"}
SIZE = {"width": 480, "height": 720}


def digests() -> dict[str, str]:
    """Of the HTML that each picture shows, together with the style sheet."""
    http, style = client(), (STATIC / "style.css").read_bytes()
    return {name: sha256(http.get(path).content + style).hexdigest() for name, path in PICTURES.items()}


def take() -> None:
    FOLDER.mkdir(exist_ok=True)
    with launched() as browser, browser.new_context(viewport=SIZE) as context:
        watched = Watched(context.new_page(), client(), ISSUER)
        for name, path in PICTURES.items():
            watched.page.goto(ISSUER + path)
            watched.page.screenshot(path=FOLDER / f"{name}.png")
    DIGESTS.write_text(json.dumps(digests(), indent=2) + "\n")


if __name__ == "__main__":
    take()
