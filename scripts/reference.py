#!/usr/bin/env python3
"""Write the pages of docs/reference/ that are made from the code: settings, command line, HTTP API, metrics.

With `--check`, change nothing, name the pages that are out of date, and exit with code 1 if there are any.
"""

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

Flags of a command win over environment variables, then `.env`, then `authserver.toml`, then the default. `.env` and
`authserver.toml` are read in the working folder; in `authserver.toml` a name has no prefix and is in lower case
(`issuer = "https://login.example"`). A misspelled name is an error. Every secret can also be read from a file: add
`_FILE` to the variable's name and give the path. In `authserver.toml`, add `_file` to the name
(`database_url_file = "/etc/authserver/database-url"`).

`authserver config show` prints each value and where it comes from. `authserver config check` prints what is wrong and
how to fix it. To change a setting without an outage, [send SIGHUP](../how-to/systemd.md#change-a-setting).

| variable | default | what it is |
|---|---|---|
"""
COMMAND_LINE = """\
# Command line

Every command, as its `--help` prints it. Data goes to stdout, messages to stderr. Commands that read or create
something have `--json`. Commands that destroy something ask first, and need `--yes` where there is no terminal. See
also the [exit codes](exit-codes.md) and the
[everyday commands with their output](../how-to/users-and-authorizations.md).

| command | what it does |
|---|---|
"""
HTTP_API = """\
# HTTP API

Every route. [`openapi.yaml`](../../openapi.yaml) has the same as a document for tools, with the full schemas. Paths are
relative to the issuer. Forms are `application/x-www-form-urlencoded` in UTF-8. A parameter that is sent twice is an
error, except `resource`. Request bodies are limited to 64 KiB. Error texts never repeat what was sent.
"""
METRICS = """\
# Metrics

What `/metrics` serves on the [management address](../how-to/monitoring.md#metrics), in Prometheus' formats. Every label
has the values that are listed here and no others: nothing that a caller sends becomes one. Times are in seconds.

Counters and histograms are sums over all workers. They survive a worker that ends and a reload of the settings, and
begin at 0 when the server starts. Gauges with the label `worker` are those of one process, and disappear within 10
seconds of its end. A histogram's name is followed by `_bucket`, `_sum` or `_count`.

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
    return f"| `{row['variable']}` | {default} | {row['help']}. Allowed: {cell(allowed)}. |\n"


def cell(text: object) -> str:
    """Text on one line, for a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def commands(group: click.Group, above: click.Context) -> Iterator[click.Context]:
    """The context of every command below `group`, in the order of its help."""
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
        f"| `{each['name']}` | {'yes' if each.get('required') else ''} | {_meaning_of_parameter(each)} |\n"
        for each in parameters
        if each["in"] == "query"
    ]
    return "\n| query parameter | always | meaning |\n|---|---|---|\n" + "".join(rows) if rows else ""


def _meaning_of_parameter(parameter: dict[str, Any]) -> str:
    values = _values(parameter["schema"])
    return cell(f"{parameter['description']}{' Allowed: ' if values else ''}{values}")


def _members(title: str, body: dict[str, Any], description: dict[str, Any]) -> str:
    """A table of the fields of a form or JSON body."""
    schemas = [_resolved(media["schema"], description) for media in body.get("content", {}).values()]
    schema = schemas[0] if schemas else {}
    rows = [
        f"| `{name}` | {'yes' if name in schema.get('required', ()) else ''} | {_meaning(field)} |\n"
        for name, field in schema.get("properties", {}).items()
    ]
    return f"\n| {title} field | always | meaning |\n|---|---|---|\n" + "".join(rows) if rows else ""


def _meaning(field: dict[str, Any]) -> str:
    return cell(_values(field) or field.get("description", ""))


def _values(schema: dict[str, Any]) -> str:
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return ", ".join(f"`{value}`" for value in values)


def _statuses(responses: dict[str, dict[str, Any]]) -> str:
    """A table of the statuses, those of one meaning in one row."""
    meanings: dict[str, list[str]] = {}
    for status, response in responses.items():
        meanings.setdefault(cell(response["description"]), []).append(status)
    rows = [f"| {', '.join(statuses)} | {meaning} |\n" for meaning, statuses in meanings.items()]
    return "\n| status | meaning |\n|---|---|\n" + "".join(rows)


def _resolved(value: dict[str, Any], description: dict[str, Any]) -> dict[str, Any]:
    """What `value` says, or what it refers to."""
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
