#!/usr/bin/env python3
"""lines.py BUILD [--missing]: sums what gcov counted in all objects of a build, for the sources in lib/ and include/.

A line counts if some object has code of it, and is covered if any of them ran it: of a template, any instance.
"""
import collections
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WANTED = 0.95


def objects(build):
    for folder, _, names in os.walk(build):
        yield from (os.path.join(folder, name) for name in names if name.endswith(".gcno"))


def count(build):
    """{file: {line: times}}; an object that no program ran has counted nothing."""
    times = collections.defaultdict(collections.Counter)
    for notes in objects(build):
        folder = os.path.dirname(notes)
        text = subprocess.run(["gcov", "--json-format", "--stdout", os.path.basename(notes)], cwd=folder, check=True,
                              capture_output=True, text=True).stdout
        for report in text.splitlines():
            report = json.loads(report)
            for source in report["files"]:
                path = os.path.relpath(os.path.join(report["current_working_directory"], source["file"]), ROOT)
                if path.startswith(("lib/", "include/")):
                    for line in source["lines"]:
                        times[path][line["line_number"]] += line["count"]
    return times


def ranges(numbers):
    """[1, 2, 3, 7] as 1-3, 7."""
    parts = []
    for n in numbers:
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def main():
    build, missing = sys.argv[1], "--missing" in sys.argv[2:]
    covered = total = 0
    for path, lines in sorted(count(build).items()):
        ran = sum(n > 0 for n in lines.values())
        covered, total = covered + ran, total + len(lines)
        print(f"{100 * ran / len(lines):6.1f} %  {ran:5} of {len(lines):5}  {path}")
        if missing and ran < len(lines):
            print(" " * 25 + ranges(sorted(n for n, times in lines.items() if times == 0)))
    if total == 0:
        sys.exit("no counters below " + build)
    print(f"{100 * covered / total:6.2f} %  {covered} of {total} lines")
    sys.exit(covered < WANTED * total)


if __name__ == "__main__":
    main()
