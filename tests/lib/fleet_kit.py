# SPDX-License-Identifier: Apache-2.0
"""The ways of deploy/fleet/, started as they are shipped but for addresses, directories and times.

Used by the test of the kit, which divides all times, and by the benchmark, which does not.
"""

import pathlib
import re
import shlex
import subprocess

import yaml

from alerting import ROOT, Alertmanager, Server, Webhooks, free_port, shorten

KIT, PROMETHEUS = ROOT / "deploy/fleet", ROOT / "deploy/prometheus"
# Flags of VictoriaMetrics' programs that are times.
TIMES = ("evaluationInterval", "datasource.queryStep", "search.latencyOffset")


class Way:
    """One of the ways: its programs, and how it is alerted. All times are divided; `scrape` is how often."""

    def __init__(self, directory, name, divisor=1, scrape="15s"):
        self.divisor, self.scrape = divisor, scrape
        self.directory = directory / name
        self.directory.mkdir()
        self.name, self.webhooks = name, Webhooks()
        self.alertmanager = Alertmanager(self.directory, f"{name}-alertmanager", self.webhooks, divisor)
        self.servers = [self.alertmanager]


def put_rules(source, target, divisor):
    """Our rules, with their times divided."""
    target.mkdir()
    for path in source.glob("*.yml"):
        text = shorten(path.read_text(), divisor)
        # The window of vmalert-rules.sh.
        (target / path.name).write_text(text.replace(" / 600)", f" / {600 // divisor})"))


def adapted(text, way, targets):
    """A configuration for Prometheus or vmagent."""
    config = yaml.safe_load(shorten(text, way.divisor))
    if "scrape_interval" in config["global"]:
        config["global"]["scrape_interval"] = way.scrape
    for job in config.get("scrape_configs", []):
        if "file_sd_configs" in job:
            job["scrape_timeout"] = way.scrape
            [files] = job["file_sd_configs"]
            files["files"] = [str(targets / pathlib.Path(files["files"][0]).name)]
    for to in config.get("alerting", {}).get("alertmanagers", []):
        to["static_configs"] = [{"targets": [way.alertmanager.address]}]
    return config


def start_prometheus(way, name, config, *flags):
    directory = way.directory / name
    directory.mkdir()
    if "rule_files" in config:
        put_rules(PROMETHEUS / "rules", directory / "rules", way.divisor)
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    storage = "agent" if "--enable-feature=agent" in flags else "tsdb"
    lookback = [] if storage == "agent" else [f"--query.lookback-delta={300_000 // way.divisor}ms"]
    server = Server(
        way.directory, f"{way.name}-{name}",
        ["prometheus", f"--config.file={directory}/prometheus.yml", f"--web.listen-address={address}",
         f"--storage.{storage}.path={directory}/data", *lookback, *flags], f"http://{address}/-/ready")
    server.url = f"http://{address}"
    way.servers.append(server)
    return server


def unit_command(unit, number, changes, divisor):
    """ExecStart of a unit that is shipped."""
    text = (KIT / unit).read_text().replace("\\\n", " ")
    [line] = re.findall(r"^ExecStart=(.*)", text, re.M)
    for word, instead in {"%i": str(number), **changes}.items():
        line = line.replace(word, instead)
    command = shlex.split(line)
    for flag in TIMES:
        command = [re.sub(rf"(-{flag}=)(\d+)([sm])$",
                          lambda m: f"{m[1]}{int(m[2]) * {'s': 1000, 'm': 60_000}[m[3]] // divisor}ms", w)
                   for w in command]
    return command


def start_victoria(way, targets):
    """Two vmagents, VictoriaMetrics and vmalert, by their units."""
    out = way.directory
    ports = {f"127.0.0.1:{port}": f"127.0.0.1:{free_port()}" for port in (8420, 8421, 8428, 8880)}
    changes = ports | {"127.0.0.1:9093": way.alertmanager.address, "/etc/kvm-fleet": str(out),
                       "/var/lib": str(out)}
    (out / "vmagent.yml").write_text(yaml.safe_dump(adapted(
        (KIT / "vmagent.yml").read_text(), way, targets)))
    subprocess.run([KIT / "vmalert-rules.sh", PROMETHEUS / "rules", out / "unshortened"], check=True)
    put_rules(out / "unshortened", out / "rules", way.divisor)

    def start(unit, port, number=0):
        name = re.sub(r"[@.].*", "", unit) + str(number)
        url = "http://" + ports[f"127.0.0.1:{port}"]
        server = Server(out, name, unit_command(unit, number, changes, way.divisor), f"{url}/health")
        server.url = url
        way.servers.append(server)
        return server

    store = start("kvm-victoria-metrics.service", 8428)
    agents = [start("kvm-vmagent@.service", 8420 + n, n) for n in (0, 1)]
    return store, agents, start("kvm-vmalert.service", 8880)


def start_agent(way, targets):
    """A Prometheus agent that writes into a receiver."""
    receiver = start_prometheus(way, "receiver", adapted((KIT / "receiver.yml").read_text(), way, targets),
                                "--web.enable-remote-write-receiver")
    config = adapted((KIT / "agent.yml").read_text(), way, targets)
    config["remote_write"][0]["url"] = f"{receiver.url}/api/v1/write"
    start_prometheus(way, "agent", config, "--enable-feature=agent")
    return receiver


def start_shards(way, targets):
    """Two shards, and what takes their findings."""
    text = (KIT / "shard.yml").read_text().replace("SHARDS", "2")
    shards = [start_prometheus(way, f"shard-{n}", adapted(text.replace("SHARD", str(n)), way, targets))
              for n in (0, 1)]
    config = adapted((KIT / "findings.yml").read_text(), way, targets)
    [job] = config["scrape_configs"]
    job["static_configs"] = [{"targets": [s.url.removeprefix("http://") for s in shards]}]
    job["scrape_timeout"] = way.scrape
    return shards, start_prometheus(way, "findings", config)
