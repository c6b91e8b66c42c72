# SPDX-License-Identifier: Apache-2.0
"""Panels, variables and dashboards as Grafana's JSON: what every dashboard has in common.

A query is PromQL as anyone would write it, with two short forms inside its selectors:

    {@host}   the chosen hosts             job=~"$job",instance=~"$instance"
    {@vm}     and of them the chosen VMs   job=~"$job",instance=~"$instance",vm=~"$vm"
"""

TAG = "kvm-exit-exporter"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
AT_HOST = 'job=~"$job",instance=~"$instance"'
AT_VM = AT_HOST + ',vm=~"$vm"'
NO_RULES = "No data. Are the recording rules loaded?"


def promql(text):
    return " ".join(text.replace("@host", AT_HOST).replace("@vm", AT_VM).split())


def top(count, series, shown=None):
    """The same few series at all times: those with the highest value anywhere in the dashboard's
    time. A plain topk would choose anew at each point. shown: what to show of them instead."""
    over = f"({series})[$__range:$__interval]" if " " in series else f"{series}[$__range]"
    return f"{shown or series} and topk({count}, max_over_time({over} @ end()))"


def steps(levels, base="green"):
    """{0.1: "orange"} -> thresholds; below the first is the colour base."""
    first = {"color": base, "value": None}
    found = [first] + [{"color": color, "value": value} for value, color in levels.items()]
    return {"mode": "absolute", "steps": found}


def words(names):
    """{1: ("attached", "green")} -> how to show a value that stands for a word."""
    shown = {
        str(value): {"index": index, "text": text, "color": color}
        for index, (value, (text, color)) in enumerate(names.items())
    }
    return [{"type": "value", "options": shown}]


def named(name, by="byName", **properties):
    """What differs for one series or column."""
    found = [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]
    return {"matcher": {"id": by, "options": name}, "properties": found}


def target(number, expression, **more):
    return {"datasource": DATASOURCE, "refId": chr(ord("A") + number), "expr": promql(expression)} | more


def link(kind, title, **more):
    """A link of a panel or dashboard; every field must be there."""
    return {
        "type": kind, "title": title, "url": "", "tags": [], "tooltip": "", "icon": "external link",
        "asDropdown": False, "includeVars": False, "keepTime": False, "targetBlank": False,
    } | more


def panel(kind, title, text, queries, options, unit, *, alerts=(), thresholds=None, below="green",
          mappings=(), overrides=(), none=None, custom=None, **more):
    """alerts: the alerts this panel shows; a test compares their figures with the thresholds."""
    defaults = {
        "unit": unit,
        "mappings": list(mappings),
        "thresholds": steps(thresholds or {}, below if thresholds else "text"),
        "custom": custom or {},
    }
    for key in ("min", "max", "decimals", "links", "color"):
        if key in more:
            defaults[key] = more.pop(key)
    if none:
        defaults["noValue"] = none
    if alerts:
        text += "\n\nAlerts: " + ", ".join(alerts) + "."
    return {
        "type": kind,
        "title": title,
        "description": text,
        "datasource": DATASOURCE,
        "targets": queries,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
        "links": [
            link("link", f"Runbook: {alert}", url=f"${{runbooks}}{alert}.md", targetBlank=True)
            for alert in alerts
        ],
    } | more


def graph(title, text, unit, series, *, table=False, stack=False, log=False, thresholds=None,
          reference="", soft_max=None, **more):
    """Lines over time. series: {legend: query}.

    table: a legend with figures, at the right, for many lines. reference: a pattern of the legends
    of lines that are there to compare with. soft_max: the axis reaches at least this.
    """
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 60 if stack else 0 if table else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stack else "none", "group": "A"},
        "scaleDistribution": {"type": "log", "log": 10} if log else {"type": "linear"},
        "thresholdsStyle": {"mode": "dashed" if thresholds else "off"},
        "axisSoftMin": 0,
    }
    if soft_max is not None:
        custom["axisSoftMax"] = soft_max
    legend = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
    if table:
        legend |= {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"],
                   "sortBy": "Last *", "sortDesc": True}
    queries = [
        target(n, query, legendFormat=name) for n, (name, query) in enumerate(series.items())
    ]
    overrides = []
    if reference:
        overrides.append(named(
            f"/{reference}/", by="byRegexp", color={"mode": "fixed", "fixedColor": "#808080"},
            custom__lineStyle={"fill": "dash", "dash": [4, 6]}, custom__fillOpacity=0))
    return panel(
        "timeseries", title, text, queries,
        {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}},
        unit, thresholds=thresholds, overrides=overrides, custom=custom,
        color={"mode": "palette-classic"}, **more)


def stat(title, text, unit, query, *, line=True, name=None, mode="value_and_name", **more):
    """One figure, or one for each series if it has a name; line: with its course behind it."""
    queries = [target(0, query, legendFormat=name or "__auto", instant=not line, range=line)]
    return panel(
        "stat", title, text, queries,
        {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": mode if name else "value",
            "colorMode": "background" if more.get("thresholds") or more.get("mappings") else "value",
            "graphMode": "area" if line else "none",
            "justifyMode": "auto",
            "orientation": "auto",
        },
        unit, color={"mode": "thresholds"}, **more)


def histogram(title, text, unit, query, buckets, **more):
    """Bars, one a bucket. buckets: {le: name}."""
    queries = [target(0, query, legendFormat="{{le}}", format="heatmap", instant=True, range=False)]
    return panel(
        "bargauge", title, text, queries,
        {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "orientation": "horizontal",
            "displayMode": "basic",
            "valueMode": "color",
            "showUnfilled": False,
            "namePlacement": "left",
            "sizing": "auto",
            "minVizWidth": 8,
            "minVizHeight": 10,
            "maxVizHeight": 300,
        },
        unit, color={"mode": "continuous-BlPu"}, min=0,
        overrides=[named(le, displayName=name) for le, name in buckets.items()], **more)


def column(name, query, unit, **properties):
    """A column of figures. The query must leave the labels that make a row, and no others."""
    return {"name": name, "query": query, "unit": unit, "properties": properties}


def table(title, text, labels, columns, *, first=None, sort=(), links=None, hide=(), widths=None,
          **more):
    """A row a set of labels, {label: heading}; instant figures.

    first: the heading of the first column. sort: headings, highest first. links: {heading: data
    link}. hide: labels. widths: {heading: pixels}; the others share the rest.
    """
    queries, overrides, renames = [], [], dict(labels)
    for n, figure in enumerate(columns):
        queries.append(target(n, figure["query"], format="table", instant=True, range=False))
        value = "Value" if len(columns) == 1 else f"Value #{queries[-1]['refId']}"
        renames[value] = figure["name"]
        overrides.append(named(figure["name"], unit=figure["unit"], **figure["properties"]))
    # A default "no value" is for a panel without rows; these are for cells.
    overrides += [named(heading, noValue="–") for heading in renames.values()]
    overrides += [named(heading, links=[to]) for heading, to in (links or {}).items()]
    overrides += [named(name, custom__width=width) for name, width in (widths or {}).items()]
    order = sorted(renames, key=lambda name: renames[name] != first)
    organize = {
        "excludeByName": {name: True for name in ("Time", *hide)},
        "indexByName": {name: n for n, name in enumerate(order)},
        "renameByName": renames,
    }
    return panel(
        "table", title, text, queries,
        {
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [{"displayName": name, "desc": True} for name in sort],
        },
        "none", overrides=overrides, custom={"align": "auto", "minWidth": 70},
        transformations=[{"id": "merge", "options": {}}, {"id": "organize", "options": organize}],
        **more)


def text(title, description, markdown):
    return {
        "type": "text",
        "title": title,
        "description": description,
        "options": {"mode": "markdown", "content": " ".join(markdown.split())},
    }


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": []}


def variable(name, label, metric, **more):
    query = f"label_values({promql(metric)}, {name})"
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "query": {"qryType": 1, "query": query, "refId": "Variable"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": 0,
    } | more


def place(lines):
    """lines: (height, panels), each line as wide as the dashboard. A panel's "w" is its share of 24
    columns; those without share what is left."""
    found, top_edge = [], 0
    for height, panels in lines:
        left = 24 - sum(p.get("w", 0) for p in panels)
        open_ended = sum("w" not in p for p in panels)
        edge = 0
        for number, item in enumerate(panels):
            width = item.pop("w", None) or left // open_ended
            position = {"x": edge, "y": top_edge, "w": width, "h": height}
            found.append(item | {"id": len(found) + 1, "gridPos": position})
            edge += width
        assert edge <= 24, [p["title"] for p in panels]
        top_edge += height
    return found


def annotation(name, colour, expression, title, text, **more):
    """Marks on all graphs of a dashboard."""
    return {
        "name": name, "datasource": DATASOURCE, "enable": True, "hide": False, "iconColor": colour,
        "target": {"refId": "Anno", "expr": promql(expression), "interval": "60s"},
        "titleFormat": title, "textFormat": text,
    } | more


def dashboard(uid, title, text, variables, lines, *, alerts, starts=""):
    """alerts, starts: of which guests, {@host} or {@vm}, alerts and the start of VMs are marked on graphs."""
    chosen = f"{alerts}|".replace("@host|", AT_HOST).replace("@vm|", AT_VM)
    marks = [annotation("Alerts", "red",
                        'ALERTS{alertname=~"Kvm.+",alertstate="firing",severity=~"critical|warning",%s}' % (
                            chosen.replace('"$instance"', '"$instance|"').replace('"$vm"', '"$vm|"')),
                        "{{alertname}}", "{{vm}} {{instance}}")]
    if starts:
        marks.append(annotation("VM starts", "blue", "kvm_vm_start_time_seconds{%s} * 1000" % starts,
                                "{{vm}} started", "on {{instance}}", useValueForTime=True))
    return {
        "uid": uid,
        "title": title,
        "description": text,
        "tags": [TAG],
        "timezone": "utc",
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "30s",
        "editable": False,
        "graphTooltip": 1,
        "schemaVersion": 39,
        "links": [link("dashboards", "KVM", tags=[TAG], includeVars=True, keepTime=True)],
        "annotations": {"list": marks},
        "templating": {"list": variables},
        "panels": place(lines),
    }
