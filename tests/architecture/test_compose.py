"""`docker-compose.yml` describes the distributed topology that the end-to-end tests run."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from steptrail_common.testing.topology import SERVICE_COMMANDS, SERVICES

from .tree import ROOT

SERVERS = {"rabbitmq": "rabbitmq", "mongodb": "mongo", "postgresql": "postgres"}
PRIVATE = {"crawler", "dbprobe", "notifier"}
"""Who may open sealed secrets."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file with anchors and merges resolved."""
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def test_every_service_runs_with_the_command_the_tests_use(compose: dict[str, Any]) -> None:
    """Seven services, three servers, nothing else."""
    assert set(compose["services"]) == {*SERVICES, *SERVERS}
    for name, command in SERVICE_COMMANDS.items():
        assert compose["services"][name]["command"] == command


def test_images_are_pinned_by_version(compose: dict[str, Any]) -> None:
    """`latest` would be another product tomorrow; the same holds for what the image is built from."""
    for name, service in compose["services"].items():
        image, _, tag = service["image"].partition(":")
        assert re.match(r"\d+\.\d+", tag), f"{name}: {service['image']}"
        assert name not in SERVERS or image == SERVERS[name]
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text()
    stages = set(re.findall(r"\bAS (\w+)", dockerfile))
    for base in re.findall(r"^FROM (\S+)", dockerfile, re.M):
        assert base in stages or re.search(r":\d+\.\d+", base), base


def test_the_image_installs_by_hash_and_does_not_run_as_root() -> None:
    """What was tested is what runs."""
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text()
    assert "--require-hashes" in dockerfile
    assert re.search(r"^USER (?!root)\w+", dockerfile.split("FROM")[-1], re.M)


def test_only_the_gateway_is_published(compose: dict[str, Any]) -> None:
    """And on loopback, unless told otherwise; brokers and databases have no port on the machine."""
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert list(published) == ["gateway"]
    assert all("127.0.0.1" in str(port) for port in published["gateway"])


def test_one_network_outside_and_one_inside(compose: dict[str, Any]) -> None:
    """Stores and the services that hold state cannot reach the outside; workers and notifier must."""
    assert set(compose["networks"]) == {"outside", "inside"}
    assert compose["networks"]["inside"]["internal"] is True
    for name, service in compose["services"].items():
        outside = {"outside"} if name in {"gateway", *PRIVATE} else set()
        assert set(service["networks"]) == {"inside", *outside}, name


def test_everything_has_a_health_check_and_waits_for_its_servers(compose: dict[str, Any]) -> None:
    """Healthy means ready, on the port the service is told."""
    for name, service in compose["services"].items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        if name in SERVICES:
            port = service["environment"][f"STEPTRAIL_{name.upper()}_PORT"]
            assert f":{port}/readyz" in service["healthcheck"]["test"][-1]
            assert {after["condition"] for after in service["depends_on"].values()} == {"service_healthy"}


def test_state_is_in_named_volumes(compose: dict[str, Any]) -> None:
    """It outlives its container; each volume is used."""
    mounted = {
        str(mount).split(":")[0] for service in compose["services"].values() for mount in service.get("volumes", [])
    }
    named = {mount for mount in mounted if not mount.startswith((".", "/"))}
    assert named == set(compose["volumes"])
    for name in SERVERS:
        assert compose["services"][name]["volumes"], name


@pytest.mark.req("NFR-014")
def test_secrets_come_from_files_alone(compose: dict[str, Any]) -> None:
    """Never in the environment, and only given to who needs them: the private key to those who open secrets."""
    secret_like = re.compile(r"(PASSWORD|TOKEN|SECRET|KEY|STORE|BUS)S?$")
    for name, service in compose["services"].items():
        for variable in service.get("environment", {}):
            assert not secret_like.search(variable), f"{name}: {variable} is not read from a file"
        given = {secret if isinstance(secret, str) else secret["source"] for secret in service.get("secrets", [])}
        assert ("private_key" in given) == (name in PRIVATE), name
        assert given <= set(compose["secrets"])
        for value in map(str, service.get("environment", {}).values()):
            for path in re.findall(r"/run/secrets/(\w+)", value):
                assert path in given, f"{name} reads {path} without being given it"
    for name, secret in compose["secrets"].items():
        assert secret["file"].startswith("deploy/docker/secrets/"), name


def test_services_reach_each_other_where_they_listen(compose: dict[str, Any]) -> None:
    """Each `…_URL` but that of the page names a service and the port that service is told."""
    for name in SERVICES:
        for variable, value in compose["services"][name]["environment"].items():
            if variable.endswith("_URL") and variable != "STEPTRAIL_PUBLIC_URL":
                host, port = re.fullmatch(r"http://(\w+):(\d+)", value).groups()  # type: ignore[union-attr]
                assert compose["services"][host]["environment"][f"STEPTRAIL_{host.upper()}_PORT"] == port


def test_every_variable_is_a_setting_of_its_service(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The services' own settings accept the environment of the file, secrets included."""
    import importlib

    secrets = {"bus": "amqp://steptrail:x@rabbitmq/", "catalog_store": "mongodb://u:x@mongodb/steptrail_catalog"}
    for name in compose["secrets"]:
        default = f"postgresql+asyncpg://u:x@postgresql/{name}" if name.endswith("_store") else "k3" * 22
        (tmp_path / name).write_text(secrets.get(name, default))
    for variable in [variable for variable in os.environ if variable.startswith("STEPTRAIL_")]:
        monkeypatch.delenv(variable)
    for name in SERVICES:
        with monkeypatch.context() as patch:
            for variable, value in compose["services"][name]["environment"].items():
                text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))
                patch.setenv(variable, text.replace("/run/secrets/", f"{tmp_path}/"))
            settings = importlib.import_module(f"steptrail_{name}.config").Settings
            loaded = settings.load()
            known = {
                f"STEPTRAIL_{prefix}{field.upper()}"
                for field in type(loaded).model_fields
                for prefix in ("", f"{name.upper()}_")
            }
            for variable in compose["services"][name]["environment"]:
                assert variable in known or variable.removesuffix("_FILE") in known, f"{name}: {variable}"


def test_a_database_is_made_for_each_service_that_has_one(compose: dict[str, Any]) -> None:
    """The same names in the script that makes the databases and the one that makes the addresses."""
    made = (ROOT / "deploy/docker/create-databases.sh").read_text()
    addresses = (ROOT / "deploy/docker/make-secrets.sh").read_text()
    services = re.search(r"for service in ([\w ]+); do", made)
    assert services is not None
    assert f"for service in {services[1]}; do" in addresses
    stores = {name.removesuffix("_store") for name in compose["secrets"] if name.endswith("_store")}
    assert stores == {*services[1].split(), "catalog"}


def test_the_compose_program_accepts_the_file() -> None:
    """Where one is installed; it needs no running engine for that."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            full = [*command, "-f", "docker-compose.yml", "config"]
            done = subprocess.run(full, cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            assert set(yaml.safe_load(done.stdout)["services"]) == {*SERVICES, *SERVERS}
            return
    pytest.skip("no docker compose on this machine")
