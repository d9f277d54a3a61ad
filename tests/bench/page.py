#!/usr/bin/env python3
"""page.py --build FOLDER --out FILE.md [--short] [--only tape,draws,snn,walk,replays,delta,driver]

Runs the benchmarks in FOLDER (those of <build>/tests) and writes one page of ratios: to a gradient or loop by hand, to a plain run, to
other libraries. All that is compared was measured in the same run, one after the other or in turns. --short takes minutes in
place of an hour, and its last digits mean nothing. What is not installed or not built is left out, and the page says so.
`cmake --build build --target benchmark_page` builds the benchmarks and calls this.
"""
import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile

FOLDER = os.path.dirname(os.path.abspath(__file__))


def load():
    return ", ".join(f"{x:.1f}" for x in os.getloadavg())


def processor():
    """The model's name, where Linux tells it."""
    try:
        with open("/proc/cpuinfo") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cached(build, name):
    """An entry of CMakeCache.txt."""
    with open(os.path.join(build, "..", "CMakeCache.txt")) as cache:
        for line in cache:
            if line.startswith(name + ":"):
                return line.split("=", 1)[1].strip()
    return ""


def machine(build, short):
    compiler = cached(build, "CMAKE_CXX_COMPILER")
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    kind = cached(build, "CMAKE_BUILD_TYPE")
    flags = " ".join([cached(build, "CMAKE_CXX_FLAGS"), cached(build, "CMAKE_CXX_FLAGS_" + kind.upper())]).strip()
    native = ", -march=native" if cached(build, "STOAT_NATIVE") == "ON" else ""
    return (f"{datetime.date.today()}; {processor()}, {os.cpu_count()} logical processors; {platform.system()} {platform.release()}; "
            f"{version}, {kind} ({flags}{native}); load when it began: {load()}."
            + (" A short run: the last digits mean nothing." if short else ""))


class Runs:
    """What Google Benchmark measured: medians of time (nanoseconds) and of counters."""

    def __init__(self, program, options):
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            subprocess.run([program, f"--benchmark_out={out.name}", "--benchmark_out_format=json",
                            "--benchmark_report_aggregates_only=false", *options], check=True, stdout=sys.stderr)
            runs = [r for r in json.load(open(out.name))["benchmarks"] if r.get("run_type") == "iteration"]
        self.runs = {}
        for run in runs:
            self.runs.setdefault(run["run_name"], []).append(run)

    def __iter__(self):
        return iter(self.runs)

    def __contains__(self, name):
        return name in self.runs

    def counter(self, name, key):
        values = [r[key] for r in self.runs.get(name, []) if key in r]
        return statistics.median(values) if values else None

    def time(self, name, clock="cpu_time"):
        """Of the processor, so that other processes count less."""
        unit = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
        values = [r[clock] * unit[r["time_unit"]] for r in self.runs.get(name, [])]
        return statistics.median(values) if values else None


def number(x):
    return "" if x is None else f"{x:.3g}" if abs(x) < 1000 else f"{x:.0f}"


def ratio(a, b):
    return None if a is None or b is None else a / b


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(x if isinstance(x, str) else number(x) for x in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def tape(program, short):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        options = ["--benchmark_repetitions=3", "--benchmark_min_time=0.01"] if short else []
        subprocess.run([program, "--json", out.name, *options], check=True, stdout=sys.stderr)
        workloads = json.load(open(out.name))
    order = ["plain", "hand-written", "stoat", "stoat, matrices"]
    engines = order + sorted({e for w in workloads.values() if w for e in w} - set(order))
    rows = []
    for name, found in sorted(workloads.items()):
        ns = {e: (found or {}).get(e, {}).get("nanoseconds") for e in engines}
        rows.append([name] + [ratio(ns[e], ns["hand-written"]) for e in engines])
    return "Time of a whole gradient over that of the gradient written by hand.\n\n" + table(["", *engines], rows)


def draws(program, short):
    runs = Runs(program, ["--benchmark_repetitions=3", "--benchmark_min_time=0.005"] if short else [])
    rows = []
    for name in (n[:-4] for n in runs if n.endswith(" run")):
        peers = [t for e in ("taus88", "mt11213b", "lagged_fibonacci607") if (t := runs.time(f"{name} {e}"))]
        run = runs.time(name + " run")
        rows.append([name, run / 1000, ratio(run, min(peers, default=None)),
                     *(ratio(runs.time(f"{name} {what}"), run) for what in ("record", "score"))])
    return ("Nanoseconds of a draw in a plain run, and their ratio to the sampler of Boost.Random with the fastest of three engines; a "
            "recorded draw and one of a score-function gradient, over the plain one.\n\n"
            + table(["", "ns", "over Boost.Random", "recorded", "differentiated"], rows))


def walk(program, short):
    runs = Runs(program, ["--benchmark_repetitions=3"] + (["--benchmark_min_time=0.02"] if short else []))
    plain = runs.time("plain_run")
    rows = [[name.split("/")[-1], ratio(runs.time(name), plain)] for name in runs]
    return "A walk of 100 steps: time over that of a plain run of the program.\n\n" + table(["", "over a plain run"], rows)


def counters(program, short, text, filter_short):
    runs = Runs(program, ["--benchmark_min_time=0.05", f"--benchmark_filter={filter_short}"] if short else [])
    known = {"name", "family_index", "per_family_instance_index", "run_name", "run_type", "repetitions", "repetition_index",
             "threads", "iterations", "real_time", "cpu_time", "time_unit"}
    keys = []
    for name in runs:
        keys += [k for k in runs.runs[name][0] if k not in known and k not in keys]
    rows = [[name.split("/", 1)[-1], *(runs.counter(name, k) for k in keys)] for name in runs]
    return text + "\n\n" + table(["", *keys], rows)


def replays(program, short):
    text = ("Replays of one changed draw: time over that of a plain run (replay), share of the sites that are drawn again (drawn), a run that "
            "keeps the states of its loops over one that does not (keep), share of the replays that rejoined (rejoined).")
    return counters(program, short, text, "replays/.*(walk|branching|epidemic)")


def delta(program, short):
    text = ("Replays of one coin in spiking networks, over a forward pass of the same network; see `tests/bench/delta/delta_bench.cpp` "
            "for the columns.")
    return counters(program, short, text, "replays/128(_128)?(_mean)?$")


def driver(program, short):
    runs = Runs(program, ["--benchmark_filter=two_threads|overhead/.*/100/"] if short else [])
    rows = [[name.split("/iterations")[0], runs.counter(name, "percent"), runs.counter(name, "gain"), runs.counter(name, "gain_by_hand")]
            for name in runs if "node" not in name]
    return ("What `estimate` adds to a loop by hand, in percent, and what a second thread gains, beside threads by hand.\n\n"
            + table(["", "overhead, %", "two threads", "two threads by hand"], rows))


def snn(program, short):
    rows, peer = [], "PyTorch"
    peer_command = ["/usr/bin/python3", os.path.join(FOLDER, "snn", "peer.py")]
    there = subprocess.run(["/usr/bin/python3", "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True)
    if there.returncode == 0:
        peer += " " + there.stdout.strip()
    for name in ["S1s", "S5"] if short else ["S1", "S2", "S3", "S4", "S5"]:
        runs = Runs(program, [f"--benchmark_filter=^{name}$", "--benchmark_repetitions=3"])
        ours, theirs = runs.time(name, "real_time") / 1e6, None
        if there.returncode == 0:
            out = subprocess.run([*peer_command, "--workloads", name], check=True, stdout=subprocess.PIPE, text=True).stdout
            theirs = json.loads(out)[name]["ms"]
        rows.append([name, ours, ratio(theirs, ours)])
    left_out = "" if there.returncode == 0 else " PyTorch is not installed (Debian: python3-torch)."
    return (f"A training step of a spiking network, one thread, single precision: milliseconds, and the time of {peer} over it."
            + left_out + "\n\n" + table(["", "ms", peer + " / stoat"], rows))


CHAPTERS = [("tape", "Gradients of programs without draws", tape), ("draws", "Draws", draws), ("walk", "Gradients through draws", walk),
            ("replays", "Replays", replays), ("snn", "Spiking networks", snn), ("delta", "Replays of spiking networks", delta),
            ("driver", "The driver", driver)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", default=",".join(name for name, _, _ in CHAPTERS))
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := set(wanted) - {name for name, _, _ in CHAPTERS}:
        parser.error(f"no chapter is called {', '.join(sorted(unknown))}")
    page = ["# Benchmarks of stoat\n", machine(options.build, options.short) + "\n"]
    for name, title, chapter in CHAPTERS:
        if name not in wanted:
            continue
        program = os.path.join(options.build, "bench_" + name)
        page.append(f"## {title}\n")
        page.append(chapter(program, options.short) if os.path.exists(program) else f"`bench_{name}` was not built.\n")
    with open(options.out, "w") as out:
        out.write("\n".join(page))
    print(options.out)


if __name__ == "__main__":
    main()
