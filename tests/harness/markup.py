"""A page as a browser reads it: its elements in order, with their attributes and the text in them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
"""Elements without an end (HTML s13.1.2)."""


class Element(dict[str, str]):
    """Its attributes; one without a value is empty."""

    def __init__(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        super().__init__((name, value or "") for name, value in attributes)
        self.tag, self.text = tag, ""


@dataclass
class Form:
    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    """Names and values that are sent unless others are typed."""
    buttons: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """By the id of each button, what it adds to the fields."""

    def add(self, element: Element) -> None:
        if element.tag == "button":
            own = [(element["name"], element.get("value", ""))] if "name" in element else []
            self.buttons[element.get("id", "")] = own
        elif element.tag == "input" and "name" in element and _is_sent(element):
            is_box = element.get("type") in ("checkbox", "radio")
            self.fields.append((element["name"], element.get("value", "on" if is_box else "")))


class Markup(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.forms: list[Form] = []
        self.text = ""
        self._open: list[Element] = []
        self.feed(html)
        self.close()

    def by_tag(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def by_id(self, id: str) -> Element:
        (element,) = (element for element in self.elements if element.get("id") == id)
        return element

    @property
    def refresh(self) -> str | None:
        """Where the page goes by itself."""
        uris = [meta["content"].partition("url=")[2] for meta in self.by_tag("meta") if _is_refresh(meta)]
        return uris[0] if uris else None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, attrs)
        self.elements.append(element)
        if tag == "form":
            self.forms.append(Form(element.get("action", ""), element.get("method", "get").lower()))
        elif any(each.tag == "form" for each in self._open):
            self.forms[-1].add(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        places = [place for place, element in enumerate(self._open) if element.tag == tag]
        if places:
            del self._open[places[-1] :]

    def handle_data(self, data: str) -> None:
        self.text += data
        for element in self._open:
            element.text += data


def _is_sent(element: Element) -> bool:
    return element.get("type") not in ("checkbox", "radio") or "checked" in element


def _is_refresh(meta: Element) -> bool:
    return meta.get("http-equiv", "").lower() == "refresh"
