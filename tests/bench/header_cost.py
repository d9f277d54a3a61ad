#!/usr/bin/env python3
"""header_cost.py [compiler...]: what including a header costs, as a Markdown table. Compilers: by default g++ and clang++.

Seconds of the processor that `-std=c++20 -fsyntax-only` takes for a program that includes the header and does nothing, the least of five,
and the size of its text after preprocessing. The last lines are for scale: headers of others, and the program of tests/install/project
that estimates a gradient, compiled with -O2.
"""
import os
import resource
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROJECT = os.path.join(ROOT, "tests", "install", "project")
HEADERS = ["stoat/tape/gradient.hpp", "stoat/program/program.hpp", "stoat/driver/estimate.hpp", "stoat/stoat.hpp", "stoat/snn.hpp",
           "stoat/hdf5.hpp", "stoat/mpi/mpi.hpp", "Eigen/Dense", "iostream"]


def eigen():
    out = subprocess.run(["pkg-config", "--cflags-only-I", "eigen3"], capture_output=True, text=True)
    return out.stdout.replace("-I", "-isystem").split() if out.returncode == 0 else ["-isystem/usr/include/eigen3"]


COMMON = ["-std=c++20", "-I" + os.path.join(ROOT, "include"), *eigen()]


def cost(command, times=5):
    least = float("inf")
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least


def main():
    compilers = sys.argv[1:] or ["g++", "clang++"]
    print("| | " + " | ".join(f"{c}, s" for c in compilers) + " | MB of text |")
    print("|---|" + "---|" * (len(compilers) + 1))
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "empty.cpp")
        for header in HEADERS:
            with open(source, "w") as out:
                out.write(f"#include <{header}>\nint main() {{}}\n")
            times = [cost([c, *COMMON, "-fsyntax-only", source]) for c in compilers]
            text = subprocess.run([compilers[0], *COMMON, "-E", "-P", source], check=True, capture_output=True).stdout
            print(f"| `{header}` | " + " | ".join(f"{t:.1f}" for t in times) + f" | {len(text) / 1e6:.1f} |")
        object_file = os.path.join(folder, "main.o")
        times = [cost([c, *COMMON, "-O2", "-c", os.path.join(PROJECT, "main.cpp"), "-o", object_file], 3) for c in compilers]
        print("| a program with `estimate`, -O2 | " + " | ".join(f"{t:.1f}" for t in times) + " | |")


if __name__ == "__main__":
    main()
