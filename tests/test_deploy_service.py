"""What the deployment names of the service exists: commands, probes, metrics."""

import ast
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from service.cli import app

REPOSITORY = Path(__file__).parent.parent
DEPLOY = REPOSITORY / "docs" / "deploy"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()


def literals() -> set[str]:
    """Every whole string literal of the service."""
    return {
        node.value
        for path in (REPOSITORY / "service").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def commands() -> list[list[str]]:
    of_image = json.loads(re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[-1])
    return [of_image, *(SERVICES[name]["command"] for name in ("migrate", "service-1", "service-2"))]


def used_metrics() -> set[str]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "tanbi.json").read_text())
    expressions = [rule["expr"] for group in groups for rule in group["rules"]]
    expressions += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    # What clients add to a name by its type.
    return {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in re.findall(r"tanbi_\w+", " ".join(expressions))}


@pytest.mark.parametrize("arguments", commands(), ids=shlex.join)
def test_every_command_exists_with_its_options(arguments: list[str]) -> None:
    tanbi = typer.main.get_command(app)
    assert isinstance(tanbi, typer.core.TyperGroup)
    name, *options = arguments
    # Parses, and says what it does not know; runs nothing.
    tanbi.commands[name].make_context(name, options)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_every_probe_exists(path: str) -> None:
    prometheus, compose = (DEPLOY / "prometheus" / "prometheus.yml").read_text(), json.dumps(SERVICES)
    assert path in DOCKERFILE + prometheus + compose
    assert path in literals()


@pytest.mark.parametrize("name", sorted(used_metrics()))
def test_every_metric_of_alerts_and_dashboard_exists(name: str) -> None:
    assert name in {literal.removesuffix("_total") for literal in literals()}
