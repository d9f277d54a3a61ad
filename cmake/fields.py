#!/usr/bin/env python3
"""fields.py LOG: of the variables that Doxygen's log calls undocumented, those that are nowhere described; exit status 1 if there are any.

A field is described by a comment of its own, by one on the line that it shares with others, by one above a group of lines without
an empty line between, or by its name in the comment of its struct. What a concept asks of every law, estimator or function
of neurons is described where the concept is.
"""
import re
import sys

OF_CONCEPTS = {"name", "parameters", "rejection", "one_hot", "unbiased", "uses_mean", "deterministic", "probability", "lanes", "order",
               "STOAT_SAMPLE"}


def comment_above(lines, i):
    """The text of the comment that ends above line i, past template heads and requirements."""
    i -= 1
    while i >= 0 and re.match(r"\s*(template|requires|\[\[)", lines[i]):
        i -= 1
    text = []
    while i >= 0 and lines[i].lstrip().startswith("//"):
        text.append(lines[i])
        i -= 1
    return " ".join(text)


def described(lines, i, name):
    if "///" in lines[i]:
        return True
    above = i
    while above > 0 and lines[above - 1].strip() and not re.search(r"[{}]\s*$", lines[above - 1]):
        above -= 1
        if lines[above].lstrip().startswith("///"):
            return True
    indent = len(lines[i]) - len(lines[i].lstrip())
    while i > 0 and not (re.match(r"\s*(struct|class|union)\b", lines[i]) and len(lines[i]) - len(lines[i].lstrip()) < indent):
        i -= 1
    return re.search(rf"\b{re.escape(name)}\b", comment_above(lines, i)) is not None


def main():
    wrong, files = [], {}
    for entry in open(sys.argv[1]):
        match = re.match(r"(.*):(\d+): warning: Member (.*) \(variable\) of (class|struct) (\S+)", entry)
        if not match:
            continue
        path, line, name = match[1], int(match[2]) - 1, re.sub(r"\).*", "", match[3])
        lines = files.setdefault(path, open(path).read().split("\n"))
        if name not in OF_CONCEPTS and not described(lines, line, name):
            wrong.append(f"{path}:{line + 1}: {match[5]}::{name}")
    print("\n".join(wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
