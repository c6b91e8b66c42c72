"""Pages of Prometheus' protobuf format, read by their wire format alone.

https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
"""

import struct

LABEL, GAUGE, COUNTER, HISTOGRAM = 1, 2, 3, 7  # fields of a Metric


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of a message's fields: a number, or bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 1:
            (value,), at = struct.unpack_from("<d", data, at), at + 8
        else:
            assert tag & 7 == 2, f"a field of wire type {tag & 7}"
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size, "a field is cut off"
        yield tag >> 3, value


def metric_samples(name, metric):
    labels, found = {}, {}
    for number, value in fields(metric):
        if number == LABEL:
            pair = dict(fields(value))
            labels[pair[1].decode()] = pair[2].decode()
        elif number in (GAUGE, COUNTER):
            found[name, ()] = dict(fields(value))[1]
        elif number == HISTOGRAM:
            parts = list(fields(value))
            found[name + "_count", ()], found[name + "_sum", ()] = dict(parts)[1], dict(parts)[2]
            for bucket in (dict(fields(part)) for part_number, part in parts if part_number == 3):
                found[name + "_bucket", (("le", bucket[2]),)] = bucket[1]
    return {(sample, *sorted([*labels.items(), *more])): value for (sample, more), value in found.items()}


def samples(page):
    """Value by name and labels, classic buckets included; a bound is the number it is."""
    found, at = {}, 0
    while at < len(page):
        size, at = varint(page, at)
        family, at = list(fields(page[at:at + size])), at + size
        name = dict(family)[1].decode()
        for number, metric in family:
            if number == 4:
                more = metric_samples(name, metric)
                assert not found.keys() & more.keys(), f"{name} has a series twice"
                found |= more
    return found
