"""What our connections lean on in uvicorn 0.54, mostly private: should a new version change it, it is seen here."""

import ast
import inspect
from textwrap import dedent
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

from authserver.serving import connection, framing
from authserver.serving.connection import Connection

OVERRIDDEN = {
    "__init__",
    "connection_made",
    "connection_lost",
    "data_received",
    "on_message_complete",
    "on_response_complete",
    "pause_writing",
    "shutdown",
}
CALLED = {
    "on_message_begin",
    "on_url",
    "on_headers_complete",
    "on_body",
    "_unset_keepalive_if_required",
}
READ = {
    "connections",
    "transport",
    "loop",
    "flow",
    "cycle",
    "headers",
    "scope",
    "server_state",
    "app_state",
    "client",
    "expect_100_continue",
}
WRITTEN = {"parser", "expect_100_continue"}
OF_THE_CYCLE = {"response_complete", "response_started", "disconnected", "message_event"}
OF_THE_PARSER = {"get_method", "get_http_version", "should_keep_alive", "should_upgrade"}


@pytest.fixture
def stock() -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        return

    config = Config(app, lifespan="off", ws="none", log_config=None)
    loop: Any = object()
    return HttpToolsProtocol(config=config, server_state=ServerState(), app_state={}, _loop=loop)


def attributes(of: Any, where: Any) -> Any:
    """Names of the attributes that the source of `where` takes of `of`."""
    tree = ast.parse(dedent(inspect.getsource(where)))
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == of}


def test_uvicorns_protocol_has_what_we_override_and_call() -> None:
    for name in OVERRIDDEN | CALLED:
        assert callable(getattr(HttpToolsProtocol, name)), name


def test_uvicorns_protocol_has_the_attributes_that_we_read_and_write(stock: Any) -> None:
    assert vars(stock).keys() | {"url"} >= READ | WRITTEN
    assert 'self.url = b""' in inspect.getsource(HttpToolsProtocol.on_message_begin)
    assert stock.cycle is None
    assert not stock.pipeline  # and stays so: no request begins before the response to the one before is complete


def test_uvicorns_protocol_runs_the_application_that_we_put_in_its_place(stock: Any) -> None:
    assert stock.app is stock.config.loaded_app
    assert "app = self.app" in inspect.getsource(HttpToolsProtocol.on_headers_complete)


def test_nothing_else_of_uvicorns_is_used() -> None:
    ours = {name for name in vars(Connection) if not name.startswith("__")}
    private = {name for name in attributes("self", connection) if hasattr(HttpToolsProtocol, name)}
    assert private - ours == CALLED
    made = attributes("self", Connection.__init__)
    taken = attributes("self", connection) - ours - made - CALLED
    assert taken == READ | WRITTEN
    assert attributes("self.cycle", connection) == OF_THE_CYCLE
    assert attributes("self.flow", connection) == {"pause_reading"}
    assert attributes("self.server_state", connection) == {"default_headers"}


def test_we_override_nothing_of_uvicorn_by_chance() -> None:
    ours = {name for name in vars(Connection) if hasattr(HttpToolsProtocol, name)}
    assert ours - {"__module__", "__doc__", "__firstlineno__", "__static_attributes__"} == OVERRIDDEN


def test_a_cycle_has_what_we_read_of_it() -> None:
    source = inspect.getsource(RequestResponseCycle.__init__)
    for name in OF_THE_CYCLE:
        assert f"self.{name} = " in source, name


def test_a_cycle_uses_of_its_transport_what_we_give_it() -> None:
    assert attributes("self.transport", RequestResponseCycle) == set(connection._Transport._fields)


def test_a_cycle_that_is_disconnected_sends_nothing_more() -> None:
    source = inspect.getsource(RequestResponseCycle.send)
    assert "if self.disconnected:\n            return" in source


def test_uvicorn_asks_its_parser_only_what_a_head_of_ours_can_say() -> None:
    asked = attributes("self.parser", HttpToolsProtocol)
    assert asked == OF_THE_PARSER | {"set_dangerous_leniencies", "feed_data"}  # in __init__ and data_received
    for name in OF_THE_PARSER:
        assert callable(getattr(framing.Head, name)), name


def test_flow_control_pauses_until_the_response_is_complete() -> None:
    assert callable(FlowControl.pause_reading)
    assert "self.flow.resume_reading()" in inspect.getsource(HttpToolsProtocol.on_response_complete)


def test_a_server_shuts_its_connections_down_one_by_one() -> None:
    assert "for connection in list(self.server_state.connections):\n            connection.shutdown()" in (
        inspect.getsource(Server.shutdown)
    )
    assert ServerState().default_headers == []
