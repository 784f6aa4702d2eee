#!/usr/bin/env python3
"""Write the pages of docs/reference/ that are made from the code: settings, command line, HTTP API, metrics.

With `--check`, it changes nothing. It names the pages that are out of date, and exits with code 1 if there are any.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dotvenv import continue_in_venv

if __name__ == "__main__":
    continue_in_venv("yaml")

import click
import yaml

from authserver.cli import main as authserver
from authserver.observability.metrics import COMPUTED, COUNTED, SAMPLED, Metric
from authserver.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
MADE = "<!-- Made by scripts/reference.py. Do not edit. -->"
WIDTH = 100
SETTINGS = """\
# Settings

A setting is taken from the flags of the command, or else from environment variables, `.env`, `authserver.toml` or its
default, in this order. `.env` and `authserver.toml` are read from the working folder. In `authserver.toml`, names are
in lower case and without the prefix (`issuer = "https://login.example"`). A misspelled name is an error. Every secret
can also be read from a file: add `_FILE` to the variable's name and give the path. In `authserver.toml`, add `_file` to
the name (`database_url_file = "/etc/authserver/database-url"`).

`authserver config show` prints each value and where it comes from. `authserver config check` prints what is wrong and
how to fix it. To change a setting without an outage, [send SIGHUP](../how-to/systemd.md#change-a-setting).

| variable | default | what it is |
|---|---|---|
"""
COMMAND_LINE = """\
# Command line

This page shows what `--help` prints for every command. Data goes to stdout, messages to stderr. Commands that read or
create something have `--json`. Commands that destroy something ask first, and need `--yes` where there is no terminal.
See also the [exit codes](exit-codes.md) and the
[everyday commands with their output](../how-to/users-and-authorizations.md).

| command | what it does |
|---|---|
"""
HTTP_API = """\
# HTTP API

This page lists every route. [`openapi.yaml`](../../openapi.yaml) describes the same routes for tools, with the full
schemas. Paths are relative to the issuer. Forms are `application/x-www-form-urlencoded` in UTF-8. Sending a parameter
twice is an error, except for `resource`. Request bodies are limited to 64 KiB. Error texts never repeat what was sent.
"""
METRICS = """\
# Metrics

`/metrics` on the [management address](../how-to/monitoring.md#metrics) serves these metrics in Prometheus' formats. A
label has only the values that are listed here: nothing that a caller sends becomes one. Times are in seconds.

Counters and histograms are sums over all workers. They begin at 0 when the server starts, and are kept when a worker
ends or the settings are reloaded. Gauges with the label `worker` belong to one process, and disappear within 10 seconds
of its end. `_bucket`, `_sum` and `_count` are appended to the name of a histogram.

| metric | type | labels | what it is |
|---|---|---|---|
"""


def settings() -> str:
    return SETTINGS + "".join(_setting(name, row) for name, row in zip(Settings.model_fields, _rows(), strict=True))


def _rows() -> list[dict[str, Any]]:
    return [dict(row) for row in Settings().describe()]


def _setting(name: str, row: dict[str, Any]) -> str:
    default = "" if row["default"] is None else f"`{row['default']}`"
    extra = Settings.model_fields[name].json_schema_extra
    allowed = extra["allowed"] if isinstance(extra, dict) else ""
    meaning = row["help"][0].upper() + row["help"][1:]
    return f"| `{row['variable']}` | {default} | {meaning}. Allowed: {cell(allowed)}. |\n"


def cell(text: object) -> str:
    """Return the text on one line, for a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def commands(group: click.Group, above: click.Context) -> Iterator[click.Context]:
    """Yield the context of every command below `group`, in the order of its help."""
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        assert command is not None
        context = click.Context(command, parent=above, info_name=name, max_content_width=WIDTH, terminal_width=WIDTH)
        if isinstance(command, click.Group):
            yield from commands(command, context)
        else:
            yield context


def command_line() -> str:
    root = click.Context(authserver, info_name="authserver", **authserver.context_settings)
    contexts = list(commands(authserver, root))
    rows = "".join(f"| [`{path(each)}`](#{path(each).replace(' ', '-')}) | {_summary(each)} |\n" for each in contexts)
    return COMMAND_LINE + rows + "".join(f"\n## {path(each)}\n\n```text\n{_help(each)}\n```\n" for each in contexts)


def path(context: click.Context) -> str:
    return context.command_path


def _summary(context: click.Context) -> str:
    return cell(context.command.get_short_help_str(limit=200))


def _help(context: click.Context) -> str:
    return "\n".join(line.rstrip() for line in context.get_help().splitlines())


def http_api() -> str:
    description = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    return HTTP_API + "".join(_tag(tag, description) for tag in description["tags"])


def _tag(tag: dict[str, str], description: dict[str, Any]) -> str:
    routes = [
        _operation(method, route, operation, description)
        for route, item in description["paths"].items()
        for method, operation in item.items()
        if tag["name"] in operation.get("tags", ())
    ]
    return f"\n## {tag['name']}\n\n{tag['description']}.\n" + "".join(routes)


def _operation(method: str, route: str, operation: dict[str, Any], description: dict[str, Any]) -> str:
    text = f"{operation['summary']}. {operation.get('description', '')}"
    parts = [f"\n### {method.upper()} {route}\n\n{' '.join(text.split())}\n"]
    parts.append(_query_parameters(operation, description))
    if request := operation.get("requestBody"):
        parts.append(_members("request", _resolved(request, description), description))
    responses = {status: _resolved(each, description) for status, each in operation["responses"].items()}
    parts += [_members("response", response, description) for status, response in responses.items() if status == "200"]
    return "".join([*parts, _statuses(responses)])


def _query_parameters(operation: dict[str, Any], description: dict[str, Any]) -> str:
    parameters = [_resolved(each, description) for each in operation.get("parameters", ())]
    rows = [
        f"| `{each['name']}` | {'yes' if each.get('required') else ''} | {_meaning(each, each['schema'])} |\n"
        for each in parameters
        if each["in"] == "query"
    ]
    return "\n| query parameter | required | meaning |\n|---|---|---|\n" + "".join(rows) if rows else ""


def _members(title: str, body: dict[str, Any], description: dict[str, Any]) -> str:
    """Return a table of the fields of a form or JSON body."""
    schemas = [_resolved(media["schema"], description) for media in body.get("content", {}).values()]
    schema = schemas[0] if schemas else {}
    rows = [
        f"| `{name}` | {'yes' if name in schema.get('required', ()) else ''} | {_meaning(field, field)} |\n"
        for name, field in schema.get("properties", {}).items()
    ]
    needed = "required" if title == "request" else "always present"
    return f"\n| {title} field | {needed} | meaning |\n|---|---|---|\n" + "".join(rows) if rows else ""


def _meaning(described: dict[str, Any], schema: dict[str, Any]) -> str:
    text, values = described.get("description", ""), _values(schema)
    return cell(f"{text} Allowed: {values}" if text and values else text or values)


def _values(schema: dict[str, Any]) -> str:
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return ", ".join(f"`{json.dumps(value)}`" if isinstance(value, bool) else f"`{value}`" for value in values)


def _statuses(responses: dict[str, dict[str, Any]]) -> str:
    """Return a table of the statuses. Statuses with the same meaning share a row."""
    meanings: dict[str, list[str]] = {}
    for status, response in responses.items():
        meanings.setdefault(cell(response["description"]), []).append(status)
    rows = [f"| {', '.join(statuses)} | {meaning} |\n" for meaning, statuses in meanings.items()]
    return "\n| status | meaning |\n|---|---|\n" + "".join(rows)


def _resolved(value: dict[str, Any], description: dict[str, Any]) -> dict[str, Any]:
    """Return `value`, or what it refers to if it is a reference."""
    node: Any = description
    if "$ref" not in value:
        return value
    for name in value["$ref"].removeprefix("#/").split("/"):
        node = node[name]
    return dict(node)


def metrics() -> str:
    rows = "".join(_metric(metric, metric.labels) for metric in (*COUNTED, *COMPUTED))
    return METRICS + rows + "".join(_metric(metric, {"worker": ()}) for metric in SAMPLED)


def _metric(metric: Metric, labels: Mapping[str, tuple[str, ...]]) -> str:
    described = [f"`{name}`{': ' if values else ''}{', '.join(values)}" for name, values in labels.items()]
    return f"| `{metric.exposed_name}` | {metric.kind} | {'; '.join(described)} | {cell(metric.help)}. |\n"


PAGES = {"settings.md": settings, "command-line.md": command_line, "http-api.md": http_api, "metrics.md": metrics}


def main(arguments: list[str]) -> None:
    written = {FOLDER / name: f"{MADE}\n\n{page()}" for name, page in PAGES.items()}
    outdated = [page for page, text in written.items() if not page.exists() or page.read_text() != text]
    if "--check" in arguments and outdated:
        sys.exit(f"Error: {', '.join(page.name for page in outdated)}: out of date. Run python3 scripts/reference.py")
    for page in outdated:
        page.write_text(written[page])
        print(f"Wrote {page.relative_to(ROOT)}.")


if __name__ == "__main__":
    main(sys.argv[1:])
