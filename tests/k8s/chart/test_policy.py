"""What every workload has to keep: Pod Security "restricted", shutdown times that fit, a policy for each arrow."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s.support.chart import DEV_VALUES, PRODUCTION_VALUES, render
from tests.k8s.support.everything import EVERYTHING, merged
from tests.k8s.support.programs import CHECKOV, ROOT, output_of
from tools.k8s.manifests import Manifest, to_yaml

SERVICES = ("gateway", "routing", "events")


def templates(manifests: list[Manifest]) -> dict[str, Manifest]:
    return {
        each["metadata"]["name"]: each["spec"]["template"]
        for each in manifests
        if each["kind"] in ("Deployment", "Job", "StatefulSet")
    }


def config(manifests: list[Manifest], component: str) -> dict[str, str]:
    name = f"axbridge-{component}"
    data: dict[str, str] = next(
        each["data"] for each in manifests if each["kind"] == "ConfigMap" and each["metadata"]["name"] == name
    )
    return data


@pytest.mark.parametrize("rendering", ["dev", "production", "everything"])
def test_every_pod_keeps_to_restricted(rendering: str, request: pytest.FixtureRequest) -> None:
    for name, template in templates(request.getfixturevalue(rendering)).items():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["serviceAccountName"] != "default", name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert all({*volume} & {"emptyDir", "configMap", "secret"} for volume in spec["volumes"]), name
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
            # A limit on CPU would only make calls wait.
            assert "cpu" not in container["resources"]["limits"], name
            assert not any("hostPort" in port for port in container.get("ports", [])), name


def test_a_pod_has_the_time_that_its_drain_takes(everything: list[Manifest]) -> None:
    for component in SERVICES:
        spec = templates(everything)[f"axbridge-{component}"]["spec"]
        settings = config(everything, component)
        prefix = f"AXBRIDGE_{component.upper()}_"
        command = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
        pre_stop = float(command[-1].rpartition("(")[2].rstrip(")"))
        drain = float(settings[f"{prefix}DRAIN_SECONDS"]) + float(settings.get(f"{prefix}LAME_DUCK_SECONDS", 0))
        assert pre_stop >= 5
        assert spec["terminationGracePeriodSeconds"] > pre_stop + drain


def test_probes_ask_what_they_should(everything: list[Manifest]) -> None:
    for component in SERVICES:
        (container,) = templates(everything)[f"axbridge-{component}"]["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        paths = {probe: container[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")}
        assert paths == {"readinessProbe": "/readyz", "livenessProbe": "/livez"}
        assert {container[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")} <= ports
        startup = container["startupProbe"]
        # A start may take its time; a pod that hangs afterwards is restarted well within a minute.
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 60
        liveness = container["livenessProbe"]
        assert liveness["periodSeconds"] * liveness["failureThreshold"] <= 60


def test_the_platform_hangs_up_first_then_the_ingress_then_the_gateway() -> None:
    manifests = render(merged(EVERYTHING, {"ingress": {"className": "alb"}}))
    (ingress,) = [each for each in manifests if each["kind"] == "Ingress"]
    attributes = ingress["metadata"]["annotations"]["alb.ingress.kubernetes.io/load-balancer-attributes"]
    idle_seconds = dict(pair.split("=") for pair in attributes.split(","))
    # Towards the platform; its own idle time is 60 s or less with every HTTP client that is known.
    assert int(idle_seconds["client_keep_alive.seconds"]) > 75


def test_each_arrow_is_a_pair_of_policies_and_nothing_else_is_open(everything: list[Manifest]) -> None:
    policies = {
        each["metadata"]["name"].removeprefix("axbridge-"): each["spec"]
        for each in everything
        if each["kind"] == "NetworkPolicy"
    }
    assert policies.pop("deny-all")["policyTypes"] == ["Ingress", "Egress"]
    assert {name for name in policies if not name.endswith(("-in", "-out"))} == {
        "dns",
        "platform-to-gateway",
        "clients-to-routing",
        "clients-to-events",
        "webhooks",
        "routing-to-database",
        "events-to-database",
        "migration-to-database",
        "gateway-to-redis",
        "routing-to-redis",
        "events-to-redis",
        "collector-to-backend",
        "metrics-of-gateway",
        "metrics-of-routing",
        "metrics-of-events",
    }
    for name in [name for name in policies if name.endswith("-out")]:
        start, end = policies[name], policies[f"{name.removesuffix('-out')}-in"]
        assert start["egress"][0]["ports"] == end["ingress"][0]["ports"]
        assert start["egress"][0]["to"] == [{"podSelector": end["podSelector"]}]
        assert end["ingress"][0]["from"] == [{"podSelector": start["podSelector"]}]
    assert len(policies) == 15 + 2 * 5
    for spec in policies.values():
        for rule in [*spec.get("ingress", []), *spec.get("egress", [])]:
            assert rule["ports"]
    (webhooks,) = policies["webhooks"]["egress"]
    assert {"10.0.0.0/8", "169.254.0.0/16", "127.0.0.0/8"} <= set(webhooks["to"][0]["ipBlock"]["except"])


def test_policies_pick_pods_that_are_there(everything: list[Manifest]) -> None:
    pods = [template["metadata"]["labels"].items() for template in templates(everything).values()]
    for each in everything:
        if each["kind"] in ("NetworkPolicy", "PodDisruptionBudget", "Service"):
            spec = each["spec"]
            selector = spec.get("podSelector") or spec.get("selector")
            labels = selector.get("matchLabels", selector)
            assert any(labels.items() <= pod for pod in pods), each["metadata"]["name"]


def test_no_secret_is_in_a_config_map(dev: list[Manifest]) -> None:
    texts = [to_yaml(each) for each in dev if each["kind"] == "ConfigMap"]
    assert texts
    assert not any("only-for-trying" in text or "postgresql" in text for text in texts)


def test_the_collector_keeps_whole_traces(everything: list[Manifest]) -> None:
    text = config(everything, "collector")["collector.yaml"]
    processors = yaml.safe_load(text)["processors"]
    assert {policy["type"] for policy in processors["tail_sampling"]["policies"]} == {
        "status_code",
        "latency",
        "probabilistic",
    }
    (collector,) = [
        each
        for each in everything
        if each["metadata"]["name"] == "axbridge-collector" and "spec" in each and each["kind"] == "Deployment"
    ]
    assert collector["spec"]["replicas"] == 1


# What checkov asks for and we don't do, with the reason.
EXCEPTIONS = {
    "CKV_K8S_11": "no CPU limits: throttling makes calls wait, requests are what shares a node fairly",
    "CKV_K8S_15": "images are pulled by version or digest, so a pod need not ask the registry at every start",
    "CKV_K8S_21": "Helm and Kustomize put the objects into a namespace, the templates don't name one",
    "CKV_K8S_35": "URLs with passwords come by environment; the services take passwords from files too, by settings",
    "CKV_K8S_38": "the account's token is not mounted: automountServiceAccountToken is false in each pod",
    "CKV_K8S_40": "the public database images of the dev values know the user 999 only; ours is above 10000",
    "CKV_K8S_43": "a digest is pinned by image.digest, which the defaults can't know",
    "CKV_K8S_8": "a migration ends by itself: it has no liveness to probe",
    "CKV_K8S_9": "nor readiness",
}


@pytest.mark.parametrize("values", [DEV_VALUES, PRODUCTION_VALUES], ids=["dev", "production"])
def test_checkov_finds_nothing_that_is_not_explained(values: Path, tmp_path: Path) -> None:
    path = tmp_path / "rendered.yaml"
    path.write_text("---\n".join(map(to_yaml, render(files=(values,)))), encoding="utf-8")
    done = subprocess.run(
        [CHECKOV, "--file", path, "--framework", "kubernetes", "--skip-download", "--quiet", "--output", "json"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    failed = {(each["check_id"], each["check_name"], each["resource"]) for each in report["results"]["failed_checks"]}
    assert report["summary"]["passed"] > 100
    unexplained = sorted(each for each in failed if each[0] not in EXCEPTIONS)
    assert not unexplained, "\n".join(map(str, unexplained))


def test_checkov_finds_nothing_in_the_dockerfile() -> None:
    # CKV_DOCKER_2 asks for a HEALTHCHECK, which Kubernetes ignores: its probes do that. CKV_DOCKER_7 wants a version of
    # the base image, which is an argument with one.
    output_of(
        *(CHECKOV, "--file", ROOT / "Dockerfile", "--framework", "dockerfile", "--skip-download", "--quiet"),
        *("--compact", "--skip-check", "CKV_DOCKER_2,CKV_DOCKER_7"),
        timeout_seconds=300,
    )
