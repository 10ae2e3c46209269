#!/usr/bin/env python3
"""This library beside PyTorch on a GPU, in one process, on the same memory and stream.

record.py BRIDGE [--tests PROGRAM] [--out FILE] [--only REGEX] [--no-peers] [--seconds N]

With --tests, runs that program first, and at the end under compute-sanitizer too, where there is that. Results are
compared with PyTorch's in float64 (views of images: with the host's) before anything is timed, and with those of a
captured graph. Times are medians of device events; memory is what a call takes beyond its inputs and outputs. Limits
are of this card, measured in the same run: products of matrices of 8192 x 8192 in bfloat16 and of 4096 x 4096 in float,
and a copy of 1 GiB. `share` is the time that the operations, or the bytes, cannot do without at those rates, over the
time taken. The whole record is written to FILE after every case; once N seconds have passed, peers are left out.
"""

import argparse
import ctypes
import datetime
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

import torch
from subjects import all_subjects

MOST_SECONDS = 240


def milliseconds(call, least=5, budget=1500.0):
    """The median of device times."""
    call()
    torch.cuda.synchronize()
    times, spent = [], 0.0
    while len(times) < least or (spent < budget and len(times) < 200):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        call()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
        spent += times[-1]
    return statistics.median(times)


def limits():
    def tflops(n, dtype):
        x, y = (torch.randn(n, n, device="cuda", dtype=dtype) for _ in range(2))
        return 2 * n**3 / milliseconds(lambda: x @ y, budget=500) / 1e9

    s = torch.empty(1 << 30, device="cuda", dtype=torch.uint8)
    t = torch.empty_like(s)
    return {"bf16_tflops": tflops(8192, torch.bfloat16), "float_tflops": tflops(4096, torch.float32),
            "gigabytes_per_second": 2 * (1 << 30) / milliseconds(lambda: t.copy_(s), budget=500) / 1e6}


def same_in_a_graph(subject):
    """Whether a captured call, replayed, gives the bits of a call."""
    subject.ours()
    expected = [x.clone() for x in subject.results()]
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        subject.ours()
    for x in subject.results():
        x.fill_(float("nan"))
    graph.replay()
    torch.cuda.synchronize()
    return all(torch.equal(x, y) for x, y in zip(subject.results(), expected))


def run_tests(program, tools):
    """Counts of the program's tests, alone (None) or under a tool of compute-sanitizer: racecheck, which is slow, in
    parts at once, and without the test of many cases."""
    found = {}
    sanitizer = shutil.which("compute-sanitizer")
    for tool in tools:
        if tool is not None and sanitizer is None:
            continue
        command, parts = [program], 1
        if tool is not None:
            command = [sanitizer, "--tool", tool, "--error-exitcode", "9", program]
        if tool == "racecheck":
            command.append("--gtest_filter=-*any_shape*")
            parts = 8
        begin = time.time()
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             env=os.environ | {"GTEST_TOTAL_SHARDS": str(parts), "GTEST_SHARD_INDEX": str(part)})
            for part in range(parts)]
        text, code = "", 0
        for part in running:
            try:
                text += part.communicate(timeout=max(1, begin + MOST_SECONDS - time.time()))[0]
                code = code or part.returncode
            except subprocess.TimeoutExpired:
                part.kill()
                text += part.communicate()[0] + f"stopped after {MOST_SECONDS} s\n"
                code = code or 124
        found[tool or "alone"] = {
            "passed": len(re.findall(r"^\[       OK \]", text, re.M)),
            "failed": len(re.findall(r"^\[  FAILED  \] \S+ \(", text, re.M)),
            "exit": code,
            "seconds": round(time.time() - begin, 1),
            "summary": sorted(set(re.findall(r"ERROR SUMMARY.*|RACECHECK SUMMARY.*|stopped after.*", text))),
        }
        print(tool or "tests", found[tool or "alone"], flush=True)
        if code != 0:
            print(text[-2000:], flush=True)
    return found


def kernels(call):
    """Milliseconds of each kernel of a call, the longest first."""
    calls = 3
    call()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(calls):
            call()
        torch.cuda.synchronize()
    found = {}
    for event in profile.key_averages():
        if event.self_device_time_total == 0:
            continue
        name = re.search(r"<selfsame::(?:\w+::)*(\w+)", event.key) or re.search(r"(\w+)", event.key)
        name = name.group(1)
        found[name] = found.get(name, 0) + event.self_device_time_total / 1e3 / calls
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def rounded(x):
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    return round(x, 4) if isinstance(x, float) else x


def guarded(call):
    """None where it takes more memory than there is, and where a peer does not run at all."""
    try:
        return call()
    except Exception as error:
        print(f"no result: {error!r:.200}", flush=True)
        torch.cuda.empty_cache()
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bridge")
    parser.add_argument("--tests")
    parser.add_argument("--out")
    parser.add_argument("--only", default="")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--seconds", type=float, default=1e9)
    arguments = parser.parse_args()
    begin = time.time()
    bridge = ctypes.CDLL(arguments.bridge)
    bridge.selfsame_scratch_bytes.restype = ctypes.c_size_t
    card = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
                          capture_output=True, text=True).stdout.strip()
    record = {"date": datetime.date.today().isoformat(), "card": card, "torch": torch.__version__}
    if arguments.tests:
        record["tests"] = run_tests(arguments.tests, [None])
    record |= {"limits": limits(), "cases": []}
    print(card, record["limits"], flush=True)

    cases = [case for case in all_subjects(bridge) if re.search(arguments.only, case[0])]

    def write():
        if arguments.out:
            with open(arguments.out, "w") as file:
                json.dump(record, file, indent=1)
                file.write("\n")

    timed = lambda peer: guarded(lambda: milliseconds(peer, 3, 300))
    in_time = lambda: not arguments.no_peers and time.time() - begin < arguments.seconds
    wrong = False
    for name, n, make, allowed in cases:
        case = {"name": name, "errors": make(min(n, 1500)).difference()}
        if not all(e < allowed for e in case["errors"]):
            print(f"{name}: differs from float64 by {case['errors']}", flush=True)
            wrong = True
        bridge.selfsame_release()
        subject = make(n)
        case["graph"] = same_in_a_graph(subject)
        wrong = wrong or not case["graph"]
        bridge.selfsame_release()
        case["ms"] = milliseconds(subject.ours, budget=600)
        case["share"] = 1e3 * subject.limit(record["limits"]) / case["ms"]
        case["scratch_mb"] = bridge.selfsame_scratch_bytes() / 1e6
        case["kernels"] = kernels(subject.ours)
        bridge.selfsame_release()
        record["cases"].append(case)
        for peer, call in (subject.peers() if in_time() else {}).items():
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            case[f"{peer}_ms"] = timed(call)
            case[f"{peer}_mb"] = (torch.cuda.max_memory_allocated() - before) / 1e6
        print(json.dumps(rounded(case)), flush=True)
        del subject
        torch.cuda.empty_cache()
        write()
    for case, (name, n, make, _) in zip(record["cases"], cases):
        if not in_time():
            break
        torch._dynamo.reset()
        subject = make(n)
        if hasattr(subject, "compiled"):
            case["compiled_ms"] = timed(subject.compiled())
            print(name, "compiled", case["compiled_ms"], flush=True)
        del subject
        torch.cuda.empty_cache()
        write()
    if arguments.tests:
        for tool in ("memcheck", "synccheck", "initcheck", "racecheck"):
            record["tests"] |= run_tests(arguments.tests, [tool])
            write()
    write()
    sys.exit(wrong or any(t["exit"] for t in record.get("tests", {}).values()))


if __name__ == "__main__":
    main()
