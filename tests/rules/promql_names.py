# SPDX-License-Identifier: Apache-2.0
"""The names in a PromQL expression: metrics, their matchers, and the labels of its clauses.

Only as much of the grammar as tells names apart; promtool has checked the expression before.
"""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<duration>\d+(?:ms|[smhdwy])\w*)
      | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
      | (?P<op>[=!<>]=|=~|!~|[-+*/%^=<>(){}\[\],:@])
      | (?P<space>\s+)""",
    re.X,
)
CLAUSES = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}


@dataclass
class Selector:
    metric: str
    matchers: list = field(default_factory=list)  # (label, operator, value)


@dataclass
class Names:
    selectors: list = field(default_factory=list)
    clauses: list = field(default_factory=list)  # (by | without | on ..., [labels])
    numbers: list = field(default_factory=list)  # (operator before it, number)


def tokens(expression):
    at, found = 0, []
    while at < len(expression):
        match = TOKEN.match(expression, at)
        if not match:
            raise ValueError(f"cannot read {expression[at:at + 20]!r}")
        if match.lastgroup != "space":
            found.append((match.lastgroup, match[0]))
        at = match.end()
    return found


def parse(expression):
    names, todo = Names(), tokens(expression)
    before = ""
    while todo:
        kind, text = todo.pop(0)
        following = todo[0][1] if todo else ""
        if kind == "number":
            names.numbers.append((before, float(text)))
        elif text == "{":
            # A selector without a metric's name.
            todo.insert(0, (kind, text))
            matchers(todo)
        elif text == "[":
            # A range or a subquery: durations, and no names.
            while todo.pop(0)[1] != "]":
                pass
        elif kind == "name" and text in CLAUSES and following == "(":
            labels = []
            while (token := todo.pop(0))[1] != ")":
                if token[0] == "name":
                    labels.append(token[1])
            names.clauses.append((text, labels))
        elif kind == "name" and following not in ("(",) and text.lower() not in WORDS | CLAUSES:
            # A clause may part an aggregation from its argument: sum without (x) (y).
            if following not in CLAUSES:
                names.selectors.append(Selector(text, matchers(todo)))
        before = text
    return names


def matchers(todo):
    """What stands in braces after a metric's name, if anything does."""
    found = []
    if not todo or todo[0][1] != "{":
        return found
    todo.pop(0)
    while todo[0][1] != "}":
        label, operator, value = (todo.pop(0)[1] for _ in range(3))
        found.append((label, operator, value[1:-1]))
        if todo[0][1] == ",":
            todo.pop(0)
    todo.pop(0)
    return found
