"""What a browser says about itself, in words that a person recognizes: "Firefox on Linux"."""

_BROWSERS = (
    # Most browsers also name those whose pages they can show, so the order decides.
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)
ON = " on "


def described(user_agent: str) -> str:
    """Return what a User-Agent header (RFC 9110 s10.1.5) names: "Firefox on Linux", one of both, or "". It is made of
    these words alone, so nothing that a caller sends is stored or shown."""
    browser, system = (_first(words, user_agent) for words in (_BROWSERS, _SYSTEMS))
    return ON.join(word for word in (browser, system) if word)


def _first(words: tuple[tuple[str, str], ...], text: str) -> str:
    return next((word for part, word in words if part in text), "")
