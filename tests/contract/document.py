"""openapi.yaml, and whether an answer is what it says."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

PATH = Path(__file__).resolve().parents[2] / "openapi.yaml"
METHODS = ("get", "head", "options", "post", "put", "patch", "delete")
_HERE = "urn:openapi"


@cache
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(PATH.read_text(), yaml.CSafeLoader)  # in a tenth of the time
    return loaded


def operations() -> dict[str, dict[str, Any]]:
    """Each operation by its name, as in "post /token"."""
    paths = document()["paths"]
    return {f"{method} {path}": item[method] for path, item in paths.items() for method in METHODS if method in item}


def documented() -> list[tuple[str, str]]:
    """Every operation with every status that it says it has."""
    return [(name, status) for name, operation in operations().items() for status in operation["responses"]]


def resolve(value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        found: Any = document()
        for step in value["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        value = found
    return value


def assert_conforms(answer: Any, operation: str, status: str) -> None:
    """Status, headers, content type, and a body that has what the schema demands and nothing that it does not name."""
    assert str(answer.status_code) == status, answer.text
    response = resolve(operations()[operation]["responses"][status])
    for name, header in response.get("headers", {}).items():
        assert name in answer.headers or not resolve(header).get("required"), name
        if name in answer.headers:
            _validator(resolve(header)["schema"]).validate(answer.headers[name])
    content = response.get("content")
    if content is None or operation.startswith("head "):
        assert not answer.content
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in content
    if media_type == "application/json":
        schema = content[media_type]["schema"]
        _validator(schema).validate(answer.json())
        assert answer.json().keys() <= resolve(schema)["properties"].keys()


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    registry = Registry().with_resource(_HERE, DRAFT202012.create_resource(document()))
    # A relative reference in the schema is one into the whole document.
    return Draft202012Validator({"$id": _HERE + ":schema", **_absolute(schema)}, registry=registry)


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _HERE + item if name == "$ref" else _absolute(item) for name, item in value.items()}
