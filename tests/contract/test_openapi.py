"""openapi.yaml is true: it validates, and names exactly the routes, methods, grants and files that there are."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from starlette.routing import Mount, Route

from authserver import __version__
from authserver.domain import authorization_request
from authserver.oauth.grants import GRANTS
from tests.contract.document import PATH, document, operations, resolve
from tests.harness.existing import existing
from tests.web.serving import LocalServer


def test_the_document_is_valid_openapi() -> None:
    validate(document())


def test_its_version_is_the_servers() -> None:
    assert document()["info"]["version"] == __version__


def routes(server: LocalServer) -> list[Any]:
    app: Any = server.app
    while not hasattr(app, "routes"):
        app = app._app
    found: list[Any] = app.routes
    return found


def test_it_names_exactly_the_routes(shared: LocalServer) -> None:
    served = set()
    for route in routes(shared):
        if isinstance(route, Mount):
            served.add(("get", f"{route.path}/{{file}}"))
        else:
            assert isinstance(route, Route)
            served |= {(method.lower(), route.path) for method in existing(route.methods)}
    named = {tuple(name.split(" ")) for name in operations()}
    # RFC 9110 s9.3.2: HEAD is identical to GET except for the content, and so need not be named.
    implied = {("head", path) for method, path in served if method == "get"}
    assert named - implied == served - implied
    assert named & implied <= served


def test_rfc9110_15_5_2_no_page_has_status_401() -> None:
    """A server that generates a 401 MUST send a challenge, for which a browser opens a dialog of its own."""
    unauthorized = [
        resolve(operation["responses"]["401"]) for operation in operations().values() if "401" in operation["responses"]
    ]
    assert unauthorized and all(response["content"].keys() == {"application/json"} for response in unauthorized)


def test_what_it_calls_json_is_the_json_interface(shared: LocalServer) -> None:
    """Which a setting takes away: tests/api/test_not_here.py."""
    named = {name.split(" ")[1] for name, operation in operations().items() if operation["tags"] == ["JSON"]}
    assert named == {route.path for route in routes(shared) if route.path.startswith("/api")}


def test_it_names_every_grant_in_its_form() -> None:
    form = document()["components"]["schemas"]["TokenRequest"]
    assert sorted(form["properties"]["grant_type"]["enum"]) == sorted(grant.GRANT_TYPE for grant in GRANTS)


def test_it_names_every_parameter_of_an_authorization_request() -> None:
    named = {parameter["name"] for parameter in operations()["get /authorize"]["parameters"]}
    # What has no effect is accepted all the same (OpenID Connect Core s3.1.2.1).
    assert named == {*authorization_request.NAMES, "resource", "display", "acr_values"}


def test_its_page_shows_the_query_parameters() -> None:
    page = (PATH.parent / "docs" / "reference" / "http-api.md").read_text()
    section = page.partition("### GET /authorize\n")[2].partition("\n### ")[0]
    for parameter in operations()["get /authorize"]["parameters"]:
        required = "yes" if parameter.get("required") else ""
        assert f"\n| `{parameter['name']}` | {required} | {parameter['description']}" in section


def test_it_names_every_static_file() -> None:
    (parameter,) = operations()["get /static/{file}"]["parameters"]
    folder = PATH.parent / "authserver" / "web" / "static"
    assert sorted(parameter["schema"]["enum"]) == sorted(file.name for file in folder.iterdir())


def test_it_names_every_member_of_the_metadata(shared: LocalServer) -> None:
    metadata = shared.http.get("/.well-known/oauth-authorization-server").json()
    assert document()["components"]["schemas"]["Metadata"]["properties"].keys() == metadata.keys()


def test_every_component_is_used() -> None:
    text = PATH.read_text()
    for kind, components in document()["components"].items():
        used = set(re.findall(rf"#/components/{kind}/(\w+)", text))
        if kind == "securitySchemes":
            used = {
                name for operation in operations().values() for one in operation.get("security", []) for name in one
            }
        assert components.keys() == used, kind


def bodies() -> list[Any]:
    found = []
    for name, operation in operations().items():
        for media in resolve(operation.get("requestBody", {})).get("content", {}).values():
            found += [pytest.param(media, key, id=f"{name} {key}") for key in media.get("examples", {})]
    return found


@pytest.mark.parametrize(("media", "key"), bodies())
def test_its_examples_fit_their_schemas(media: dict[str, Any], key: str) -> None:
    Draft202012Validator(resolve(media["schema"])).validate(media["examples"][key]["value"])
