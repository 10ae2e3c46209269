"""Prints what benchmarks/run.sh measured as tables.

    python3 benchmarks/table.py [FOLDER]

FOLDER, build/benchmarks if none is given, may hold micro.json, peers.json and compile.json.
"""

import json
import pathlib
import re
import sys

MILLISECONDS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}


def read(folder, name):
    path = folder / name
    return json.loads(path.read_text()) if path.exists() else None


def table(title, head, rows):
    if not rows:
        return
    print(f"{title}\n")
    print("| " + " | ".join(head) + " |")
    print("|---" + "|--:" * (len(head) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def number(x, digits=3):
    """With so many significant digits, and no exponent."""
    return "" if x is None else f"{x:.{max(0, digits - len(str(int(abs(x)))))}f}"


def cells(case):
    """Time, share of the limit."""
    if case is None:
        return ["", ""]
    milliseconds = case["real_time"] * MILLISECONDS[case["time_unit"]]
    return [number(milliseconds), f"{case['limit_ratio']:.2f}"]


def mebibytes(case):
    return "" if case is None else number(case["extra_bytes"] / 2**20)


def shares(case):
    """Of the rate of multiply-adds, and of that of a copy."""
    return case["flops"] / case["limit"], case["bytes"] / case["bytes_limit"]


def images(lines):
    """Cases that count images and have a roofline of operations and bytes; builds of a case one below the other."""
    rows = []
    for name, by in sorted(lines.items()):
        if not all("bytes_limit" in by.get(threads, {}) for threads in (1, 2)):
            continue
        one, two = by[1], by[2]
        row = [f"`{name}`", number(one["flops"] / one["items_per_second"] / 1e6),
               number(one["bytes"] / one["items_per_second"] / 1e6)]
        for case in one, two:
            row += [f"{case['items_per_second']:.0f}", " / ".join(f"{share:.2f}" for share in shares(case))]
        gain, possible = two["items_per_second"] / one["items_per_second"], two["limit"] / one["limit"]
        rows.append([*row, number(gain), number(possible), f"{gain / possible:.2f}"])
    share = "of FMA / of copy"
    table("Augmentations: the limit of a case is the larger share, of multiply-adds or of copied bytes",
          ["case", "Mflop an image", "MB an image", "1 thread, images/s", share, "2 threads, images/s", share,
           "gain", "of FMA", "ratio"], rows)


def micro(cases):
    def find(name):
        return cases.get(name)

    sizes = sorted({int(m[1]) for name in cases if (m := re.match(r"ntxent_value_and_grad/N:(\d+)/D:128/", name))})
    rows = []
    for n in sizes:
        row, last = [str(n)], None
        for threads in (1, 2):
            for what in ("value", "value_and_grad"):
                last = find(f"ntxent_{what}/N:{n}/D:128/threads:{threads}") or last
                row += cells(find(f"ntxent_{what}/N:{n}/D:128/threads:{threads}"))
        rows.append([*row, mebibytes(last)])
    share = "of FMA peak"
    table("NT-Xent, D = 128, float, no scratch budget",
          ["N", "value, 1 thread, ms", share, "value and gradient, ms", share,
           "value, 2 threads, ms", share, "value and gradient, ms", share, "extra memory, MiB"], rows)

    # Everything else: one line for a case with any number of threads.
    lines = {}
    for name, case in cases.items():
        m = re.search(r"/threads:(\d+)", name)
        if m is None or re.fullmatch(r"ntxent_\w+/N:\d+/D:128/threads:\d+", name):
            continue
        lines.setdefault(name.replace(m[0], ""), {})[int(m[1])] = case
    images(lines)
    rows = [[f"`{name}`", *cells(by.get(1)), *cells(by.get(2)), mebibytes(by.get(2) or by.get(1))]
            for name, by in lines.items() if not name.startswith("sgemm")]
    head = ["case", "1 thread, ms", "of limit", "2 threads, ms", "of limit"]
    table("Other sizes, ways, objectives and builds; the limit is the FMA peak, of bfloat16 for `bf16`, or memory for rows of logits",
          [*head, "extra memory, MiB"], rows)

    rows = [[f"`{name}`", *cells(by.get(1)), *cells(by.get(2))]
            for name, by in lines.items() if name.startswith("sgemm")]
    table("OpenBLAS's SGEMM by core type", head, sorted(rows, key=lambda row: row[1]))


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/benchmarks")
    found = False
    if (results := read(folder, "micro.json")) is not None:
        found = True
        micro({case["name"]: case for case in results["benchmarks"]})
    if (rows := read(folder, "peers.json")) is not None:
        found = True
        table("Beside other libraries, in one process",
              ["work", "peer", "ours, ms", "peer, ms", "peer takes", "largest difference"],
              [[f"`{r['work']}`", r["peer"], number(r["ours_ms"]), number(r["peer_ms"]), f"{r['ratio']:.1f} x",
                f"{r['max_abs_diff']:.0e}"] for r in rows])
    if (rows := read(folder, "compile.json")) is not None:
        found = True
        table("Compile time, g++ -O2", ["header alone", "seconds", "lines"],
              [[f"`{r['name']}`", f"{r['seconds']:.2f}", str(r["lines"])] for r in rows])
    if not found:
        sys.exit(f"error: no results in {folder}: run benchmarks/run.sh first")


if __name__ == "__main__":
    main()
