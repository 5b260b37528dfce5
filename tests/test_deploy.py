"""What describes production, checked without an engine to run it: the files parse, and what they name exists."""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from service.errors import BodyTooLarge, ClaimsRateLimited, NotFound, TanbiError, Unavailable
from service.settings import Settings

REPOSITORY = Path(__file__).parent.parent
DEPLOY = REPOSITORY / "docs" / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
REPLICAS = {"service-1", "service-2"}
NGINX = (DEPLOY / "nginx" / "nginx.conf").read_text()
PROMETHEUS: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
# A default that nobody overrides in compose is what runs.
DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}


def dockerfile() -> list[tuple[str, str]]:
    """Instructions and their arguments, in order, continuation lines joined."""
    text = re.sub(r"\\\n\s*", "", (REPOSITORY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def dockerfile_arguments(instruction: str) -> list[str]:
    return [arguments for name, arguments in dockerfile() if name == instruction]


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def mounted_files() -> list[tuple[str, str]]:
    mounts = [(name, mount) for name, service in SERVICES.items() for mount in service.get("volumes", [])]
    return [(name, mount.split(":")[0]) for name, mount in mounts if mount.startswith(".")]


def lock(name: str) -> dict[str, str]:
    """Each pinned requirement of a lock file with its hashes, by name."""
    entries = re.split(r"\n(?=\S)", (REPOSITORY / name).read_text().strip())
    return {re.split(r"[=\s\[;]", entry)[0]: entry for entry in entries}


# -- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", sorted([*DEPLOY.rglob("*.yml"), *DEPLOY.rglob("*.json")]), ids=lambda path: str(path.relative_to(DEPLOY))
)
def test_every_file_of_the_deployment_parses(path: Path) -> None:
    text = path.read_text()
    assert json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


@pytest.mark.parametrize(("service", "path"), mounted_files())
def test_every_mounted_file_exists(service: str, path: str) -> None:
    assert (REPOSITORY / path).exists()


def test_prometheus_and_grafana_find_their_files_where_they_are_mounted() -> None:
    mounts = dict(mount.split(":")[:2] for name in ("prometheus", "grafana") for mount in SERVICES[name]["volumes"])
    targets = {target: source for source, target in mounts.items()}
    config = next(flag for flag in SERVICES["prometheus"]["command"] if flag.startswith("--config.file="))
    assert config.removeprefix("--config.file=") in targets
    for rules in PROMETHEUS["rule_files"]:
        assert f"/etc/prometheus/{rules}" in targets
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/tanbi.yml").read_text())["providers"][0]
    dashboards = provider["options"]["path"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (REPOSITORY / targets[dashboards] / home.removeprefix(dashboards + "/")).is_file()


def test_every_volume_network_and_dependency_is_declared() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        named = {mount.split(":")[0] for mount in service.get("volumes", []) if not mount.startswith(".")}
        assert named <= set(COMPOSE["volumes"])


def test_postgresql_18_keeps_its_data_on_a_volume() -> None:
    assert SERVICES["postgres"]["image"] == "postgres:18"
    # From 18 on the image declares its volume here; below it, data would be lost with the container.
    assert "postgres:/var/lib/postgresql" in SERVICES["postgres"]["volumes"]


# -- secrets and settings -------------------------------------------------------------------------------------------


def test_every_variable_is_in_the_example_and_compose_names_it_where_it_is_unset() -> None:
    text = (REPOSITORY / "docker-compose.yml").read_text()
    example = dict(
        line.split("=", 1) for line in (REPOSITORY / ".env.example").read_text().splitlines() if line and line[0] != "#"
    )
    assert set(re.findall(r"\$\{(\w+)", text)) == set(example)
    assert re.findall(r"\$\{\w+(?!\w*:\?)[^}]*\}", text) == []
    assert set(example.values()) == {""}


@pytest.mark.parametrize("name", sorted(REPLICAS | {"migrate"}))
def test_every_variable_of_ours_is_a_setting(name: str) -> None:
    fields = {f"TANBI_{field}".upper() for field in Settings.model_fields}
    assert set(SERVICES[name]["environment"]) <= fields


def test_only_the_migrations_work_as_the_owner() -> None:
    users = {
        (name, re.sub(r".*//(\w+):.*", r"\1", value))
        for name, service in SERVICES.items()
        for key, value in service.get("environment", {}).items()
        if key.endswith("DATABASE_URL")
    }
    assert users == {("migrate", "tanbi_owner"), ("service-1", "tanbi_service"), ("service-2", "tanbi_service")}
    roles = (DEPLOY / "postgres" / "init.sql").read_text()
    for _, user in users:
        assert f"CREATE ROLE {user} LOGIN PASSWORD" in roles


def test_the_database_gets_every_password_its_script_reads() -> None:
    script = (DEPLOY / "postgres" / "init.sql").read_text()
    assert set(re.findall(r"\\getenv \w+ (\w+)", script)) <= set(SERVICES["postgres"]["environment"])


def test_the_replicas_differ_in_their_name_only() -> None:
    one, two = ({**SERVICES[name], "environment": dict(SERVICES[name]["environment"])} for name in sorted(REPLICAS))
    names = [replica["environment"].pop("TANBI_INSTANCE") for replica in (one, two)]
    assert names == sorted(REPLICAS)
    assert one == two


def test_the_database_takes_all_connections_of_all_processes() -> None:
    workers = int(option(SERVICES["service-1"]["command"], "--workers"))
    # The pool may overflow to twice its size; the group commit's writers have connections of their own.
    most = len(REPLICAS) * workers * (2 * DEFAULTS["database_pool_size"] + DEFAULTS["groupcommit_writers"])
    flags = " ".join(SERVICES["postgres"]["command"])
    match = re.search(r"max_connections=(\d+)", flags)
    assert match is not None
    assert most + 20 <= int(match[1])


def test_docker_waits_for_the_drain() -> None:
    assert int(SERVICES["service-1"]["stop_grace_period"].removesuffix("s")) > DEFAULTS["shutdown_seconds"] + 2


# -- ports ----------------------------------------------------------------------------------------------------------


def test_every_port_is_published_to_this_machine_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"proxy", "prometheus", "grafana"}
    for ports in published.values():
        assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_service_listens_where_proxy_prometheus_and_health_check_ask() -> None:
    port = option(SERVICES["service-1"]["command"], "--port")
    assert option(json.loads(dockerfile_arguments("CMD")[-1]), "--port") == port
    assert dockerfile_arguments("EXPOSE") == [port]
    assert re.findall(r"http://127\.0\.0\.1:(\d+)/readyz", dockerfile_arguments("HEALTHCHECK")[0]) == [port]
    replicas = {f"{name}:{port}" for name in REPLICAS}
    assert set(re.findall(r"^\s*server (\S+:\d+)", NGINX, re.MULTILINE)) == replicas
    job = next(job for job in PROMETHEUS["scrape_configs"] if job["job_name"] == "tanbi")
    assert set(job["static_configs"][0]["targets"]) == replicas


def test_the_proxy_listens_where_its_port_leads() -> None:
    listen = re.findall(r"listen (\d+);", NGINX)
    assert [port.split(":")[-1] for port in SERVICES["proxy"]["ports"]] == listen
    assert f"http://127.0.0.1:{listen[0]}/livez" in SERVICES["proxy"]["healthcheck"]["test"]


def test_grafana_asks_prometheus() -> None:
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    host, port = source["url"].removeprefix("http://").split(":")
    assert SERVICES[host]["ports"][0].split(":")[-1] == port
    assert set(SERVICES[host]["networks"]) & set(SERVICES["grafana"]["networks"])
    dashboard = json.loads((DEPLOY / "grafana/dashboards/tanbi.json").read_text())
    used = {panel["datasource"]["uid"] for panel in dashboard["panels"]}
    used |= {target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel["targets"]}
    assert used == {source["uid"]}


def test_who_talks_to_whom_shares_a_network() -> None:
    for replica in REPLICAS:
        for other in ("proxy", "postgres", "prometheus"):
            assert set(SERVICES[replica]["networks"]) & set(SERVICES[other]["networks"])
    assert COMPOSE["networks"]["database"]["internal"] is True
    assert SERVICES["postgres"]["networks"] == ["database"]


# -- proxy ----------------------------------------------------------------------------------------------------------


def test_the_proxy_takes_bodies_as_large_as_the_service_does() -> None:
    match = re.search(r"client_max_body_size (\d+)m;", NGINX)
    assert match is not None
    assert int(match[1]) * 1024 * 1024 == DEFAULTS["body_bytes_max"]


def test_the_proxy_changes_no_request_target() -> None:
    # With any path after the host, nginx would decode the target and encode it again.
    assert set(re.findall(r"proxy_pass (\S+);", NGINX)) == {"http://tanbi"}
    assert "rewrite" not in re.sub(r"#.*", "", NGINX)


@pytest.mark.parametrize(
    "error", [NotFound, BodyTooLarge, ClaimsRateLimited, Unavailable], ids=lambda error: str(error.code)
)
def test_the_proxy_answers_problems_as_the_service_does(error: type[TanbiError]) -> None:
    problems = [json.loads(text) for text in re.findall(r"return \d+ '(\{.*\})';", NGINX)]
    problem = next(problem for problem in problems if problem["code"] == error.code)
    assert problem["type"] == f"/problems#{error.code}"
    assert (problem["status"], problem["title"]) == (error.status, error.title)
    assert f'return {error.status} \'{{"type":"/problems#{error.code}"' in NGINX


# -- image ----------------------------------------------------------------------------------------------------------


def test_every_file_the_image_copies_exists_and_is_in_its_context() -> None:
    rules = [line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert rules[0] == "*"
    sources = [word for line in dockerfile_arguments("COPY") if "--from" not in line for word in line.split()[:-1]]
    assert sources
    for source in sources:
        assert (REPOSITORY / source).exists()
        assert f"!{source}" in rules
    assert not any(fnmatch(".env", rule.removeprefix("!")) for rule in rules[1:])


def test_the_image_has_every_package_of_the_wheel() -> None:
    wheel = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = " ".join(dockerfile_arguments("COPY"))
    for package in wheel["packages"]:
        assert f"{package} ./{package}" in copied
    assert PROJECT["readme"] in copied


def test_everything_from_an_index_is_installed_by_hash() -> None:
    installs = re.findall(r"pip install ([^&\n]+)", "\n".join(dockerfile_arguments("RUN")))
    assert len(installs) == 3
    assert all("--require-hashes" in install or "--no-index" in install for install in installs)


def test_the_image_runs_a_python_that_the_project_takes() -> None:
    version = dockerfile_arguments("ARG")[0].removeprefix("PYTHON_VERSION=")
    lowest = PROJECT["requires-python"].removeprefix(">=")
    assert tuple(map(int, version.split("."))) >= tuple(map(int, lowest.split(".")))


def test_the_image_runs_our_command_and_not_as_root() -> None:
    last_stage = dockerfile()[max(i for i, (name, _) in enumerate(dockerfile()) if name == "FROM") :]
    assert dict(last_stage)["USER"] not in ("root", "0", "0:0")
    assert json.loads(dict(last_stage)["ENTRYPOINT"])[0] in PROJECT["scripts"]


def test_the_runtime_lock_is_the_development_lock_without_its_tools() -> None:
    runtime, development = lock("requirements-runtime.lock"), lock("requirements.lock")
    assert {name: development.get(name) for name in runtime} == runtime
    assert {re.split(r"[\[<>=]", wanted)[0].lower() for wanted in PROJECT["dependencies"]} <= set(runtime)
    assert {"pytest", "ruff", "mypy", "hatchling", "schemathesis"} & set(runtime) == set()
    assert "://" not in (REPOSITORY / "requirements-runtime.lock").read_text()


@pytest.mark.parametrize(("status", "exit_code"), [(200, 0), (503, 1)])
async def test_the_health_check_goes_by_readiness(status: int, exit_code: int) -> None:
    async def readyz(_: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    arguments = dockerfile_arguments("HEALTHCHECK")[0]
    python, *command = json.loads(arguments[arguments.index("CMD ") + 4 :])
    assert python == "python"
    script = command[-1].replace(":8080", f":{runner.addresses[0][1]}").replace("timeout=3", "timeout=60")
    # A proxy of the environment's, where nobody listens, must not matter.
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:1", "no_proxy": ""}
    check = await asyncio.create_subprocess_exec(
        sys.executable, *command[:-1], script, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    assert await check.wait() == exit_code
    await runner.cleanup()


# -- alerts ---------------------------------------------------------------------------------------------------------


def alert_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard_expressions() -> list[str]:
    dashboard = json.loads((DEPLOY / "grafana/dashboards/tanbi.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("rule", alert_rules(), ids=lambda rule: str(rule["alert"]))
def test_every_alert_says_what_is_wrong_in_two_languages_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) == {"summary", "summary_zh", "action"}


def test_the_queue_alert_comes_before_the_queue_is_full() -> None:
    rule = next(rule for rule in alert_rules() if rule["alert"] == "QueueNearlyFull")
    assert int(rule["expr"].split(">")[1]) <= 0.8 * DEFAULTS["groupcommit_queue_items_max"]


def test_promtool_accepts_configuration_rules_and_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        reason = "promtool is not on the PATH (it comes with Prometheus): rules and expressions are not checked"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    panels = tmp_path / "panels.yml"
    rules = [{"record": f"panel_{number}", "expr": expr} for number, expr in enumerate(dashboard_expressions())]
    panels.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    for command in (
        ["check", "config", DEPLOY / "prometheus" / "prometheus.yml"],
        ["check", "rules", panels],
        ["test", "rules", DEPLOY / "prometheus" / "alerts.test.yml"],
    ):
        done = subprocess.run([promtool, *map(str, command)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, shlex.join(map(str, command)) + "\n" + done.stdout + done.stderr
