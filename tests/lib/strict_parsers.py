"""The strict parsers of Debian's python3-prometheus-client, for /usr/bin/python3."""

from prometheus_client import parser as text
from prometheus_client.openmetrics import parser as openmetrics

PARSERS = {"text/plain": text, "application/openmetrics-text": openmetrics}


def families(page, media_type):
    """The families of a page; raises on whatever the format does not allow."""
    return list(PARSERS[media_type].text_string_to_metric_families(page))


def samples(parsed):
    """Value by name and labels, of families; a bound is the number it is."""
    found = {}
    for family in parsed:
        for sample in family.samples:
            labels = {name: float(value) if name == "le" else value
                      for name, value in sample.labels.items()}
            key = (sample.name, *sorted(labels.items()))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found
