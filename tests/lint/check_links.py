#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the relative links of these Markdown files lead to files, and to headings that are there?

    check_links.py FILE.md...
"""

import re
import sys
from pathlib import Path

FENCE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"(?<!\\)\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\[[^\]]+\]:\s*<?(\S+?)>?\s*$", re.M)
IMAGE_TAG = re.compile(r"<(?:img|source|a)\b[^>]*?\b(?:src|srcset|href)=\"([^\"]+)\"")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.M)
NAMED = re.compile(r"<a\s+(?:name|id)=\"([^\"]+)\"")


def prose(path):
    """The text without its examples; code in a line stays, as a heading may have some."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors(path):
    """As GitHub makes them: in lower case, without punctuation, a number where one comes again."""
    text, found, seen = prose(path), set(), {}
    for heading in HEADING.findall(text):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found | set(NAMED.findall(text))


def problems_of(path):
    text = CODE.sub("", prose(path))
    for pattern in (LINK, REFERENCE, IMAGE_TAG):
        for target in pattern.findall(text):
            if re.match(r"[a-z][a-z0-9+.-]*:", target) or target.startswith("//"):
                continue
            file, _, anchor = target.partition("#")
            where = (path.parent / file).resolve() if file else path.resolve()
            if not where.exists():
                yield f"{path}: {target}: there is no such file"
            elif anchor and where.suffix == ".md" and anchor not in anchors(where):
                yield f"{path}: {target}: {where.name} has no such heading"


def main():
    problems = [problem for name in sys.argv[1:] for problem in problems_of(Path(name))]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
