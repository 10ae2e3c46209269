#!/usr/bin/env python3
"""This library beside PyTorch on a GPU, in one process, on the same memory and stream.

record.py BRIDGE [--tests PROGRAM] [--out FILE] [--only REGEX] [--no-peers] [--seconds N]

With --tests, runs that program first, and at the end under compute-sanitizer too, where there is that. Results are
compared with PyTorch's in float64 before anything is timed, and with those of a captured graph. Times are medians of device events; memory is what a call
takes beyond its inputs and outputs. Limits are of this card, measured in the same run: products of matrices of
8192 x 8192 in bfloat16 and of 4096 x 4096 in float, and a copy of 1 GiB. `share` is the time that the operations, or the
bytes, cannot do without at those rates, over the time taken. The whole record is written to FILE after every case;
once N seconds have passed, peers are left out.
"""

import argparse
import ctypes
import datetime
import json
import re
import shutil
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

OBJECTIVES = {"ntxent": 0, "clip": 1, "moco": 2}
SANITIZER_SECONDS = 30
TYPES = {torch.bfloat16: 0, torch.float32: 1}


def pointer(tensor):
    return ctypes.c_void_p(0 if tensor is None else tensor.data_ptr())


def stream():
    return ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)


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


def clip(a, p, temperature):
    """As open_clip's ClipLoss."""
    a, p = F.normalize(a, dim=1), F.normalize(p, dim=1)
    logits = (1 / temperature) * a @ p.T
    labels = torch.arange(a.shape[0], device=a.device)
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def ntxent(a, p, temperature):
    """One matrix of all views, the diagonal set to -inf."""
    n = a.shape[0]
    z = F.normalize(torch.cat([a, p]), dim=1)
    logits = z @ z.T / temperature
    logits.fill_diagonal_(float("-inf"))
    labels = torch.arange(2 * n, device=a.device).roll(n)
    return F.cross_entropy(logits, labels)


def moco(a, p, queue, temperature):
    a, p, q = F.normalize(a, dim=1), F.normalize(p, dim=1), F.normalize(queue, dim=1)
    logits = torch.cat([(a * p).sum(1, keepdim=True), a @ q.T], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(a.shape[0], dtype=torch.long, device=a.device))


PEERS = {"ntxent": ntxent, "clip": clip, "moco": moco}


class Pairs:
    def __init__(self, bridge, subject, n, d, m, dtype):
        self.bridge, self.subject, self.n, self.d, self.m = bridge, subject, n, d, m
        self.temperature = 0.1 if subject == "ntxent" else 0.07
        generator = torch.Generator(device="cuda").manual_seed(1)
        draw = lambda rows: torch.randn(rows, d, device="cuda", generator=generator)
        base = draw(n)
        self.a = (base + draw(n)).to(dtype).requires_grad_()
        self.p = (base + draw(n)).to(dtype).requires_grad_(subject != "moco")
        self.q = draw(m).to(dtype) if m else None
        self.da, self.dp = torch.full_like(self.a, float("nan")), torch.full_like(self.p, float("nan"))
        self.loss = torch.full((1,), float("nan"), device="cuda")

    def ours(self):
        self.bridge.selfsame_value_and_grad(
            OBJECTIVES[self.subject], TYPES[self.a.dtype], ctypes.c_double(self.temperature), pointer(self.a),
            pointer(self.p), pointer(self.q), pointer(self.da), pointer(self.dp), pointer(self.loss),
            ctypes.c_int64(self.n), ctypes.c_int64(self.m), ctypes.c_int64(self.d), stream())

    def results(self):
        return [self.loss, self.da] + ([self.dp] if self.subject != "moco" else [])

    def inputs(self):
        return [x for x in (self.a, self.p, self.q) if x is not None]

    def peer(self, function):
        self.a.grad = self.p.grad = None
        loss = function(*self.inputs(), self.temperature)
        loss.backward()
        return loss

    def difference(self):
        """Relative errors of the loss and of gradients, against float64."""
        self.ours()
        exact = [x.detach().double().requires_grad_() for x in self.inputs()]
        loss = PEERS[self.subject](*exact, self.temperature)
        loss.backward()
        pairs = [(self.loss[0], loss)] + [(self.da, exact[0].grad)]
        if self.subject != "moco":
            pairs.append((self.dp, exact[1].grad))
        return [float((x.double() - y).norm() / y.norm()) for x, y in pairs]

    def limit(self, limits):
        """Seconds."""
        return self.flop() / (1e12 * limits["bf16_tflops" if self.a.dtype == torch.bfloat16 else "float_tflops"])

    def flop(self):
        rows = 2 * self.n if self.subject == "ntxent" else self.n
        columns = {"ntxent": 2 * self.n, "clip": self.n, "moco": self.m}[self.subject]
        products = {"ntxent": 2, "clip": 4, "moco": 3}[self.subject]  # symmetry used; nothing computed anew but logits
        return products * 2 * rows * columns * self.d


def free_energy(logits):
    return -torch.logsumexp(logits, dim=1)


class Rows:
    """Free energy of rows of logits, and its gradient."""

    def __init__(self, bridge, n, d, dtype):
        self.bridge, self.n, self.d = bridge, n, d
        generator = torch.Generator(device="cuda").manual_seed(1)
        self.z = (3 * torch.randn(n, d, device="cuda", generator=generator)).to(dtype).requires_grad_()
        self.values = torch.full((n,), float("nan"), device="cuda")
        self.gradient = torch.full_like(self.z, float("nan"))

    def ours(self):
        self.bridge.selfsame_free_energy(
            int(self.z.dtype == torch.bfloat16), ctypes.c_double(1.0), pointer(self.z), pointer(self.values),
            pointer(self.gradient), ctypes.c_int64(self.n), ctypes.c_int64(self.d), stream())

    def results(self):
        return [self.values, self.gradient]

    def peer(self, function):
        self.z.grad = None
        function(self.z).sum().backward()

    def difference(self):
        self.ours()
        exact = self.z.detach().double().requires_grad_()
        values = free_energy(exact)
        values.sum().backward()
        pairs = [(self.values, values), (self.gradient, exact.grad)]
        return [float((x.double() - y).norm() / y.norm()) for x, y in pairs]

    def limit(self, limits):
        return 2 * self.z.numel() * self.z.element_size() / (1e9 * limits["gigabytes_per_second"])


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
    """Counts of the program's tests, alone (None) or under a tool of compute-sanitizer."""
    found = {}
    sanitizer = shutil.which("compute-sanitizer")
    for tool in tools:
        if tool is not None and sanitizer is None:
            continue
        command = [program] if tool is None else [sanitizer, "--tool", tool, "--error-exitcode", "9", program]
        begin = time.time()
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=300 if tool is None else SANITIZER_SECONDS)
        except subprocess.TimeoutExpired:
            found[tool] = {"exit": 0, "summary": f"stopped after {SANITIZER_SECONDS} s"}
            print(tool, found[tool], flush=True)
            continue
        text = result.stdout + result.stderr
        found[tool or "alone"] = {
            "passed": len(re.findall(r"^\[       OK \]", text, re.M)),
            "failed": len(re.findall(r"^\[  FAILED  \] \S+ \(", text, re.M)),
            "exit": result.returncode,
            "seconds": round(time.time() - begin, 1),
            "summary": (re.findall(r"ERROR SUMMARY.*|RACECHECK SUMMARY.*", text) or [""])[-1],
        }
        print(tool or "tests", found[tool or "alone"], flush=True)
        if result.returncode != 0:
            print(text[-2000:], flush=True)
    return found


def guarded(call):
    try:
        return call()
    except torch.cuda.OutOfMemoryError:
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

    bf, f32 = torch.bfloat16, torch.float32
    cases = []
    for subject, n, d, m, dtype in [
        ("clip", 32768, 768, 0, bf), ("ntxent", 32768, 768, 0, bf), ("clip", 4096, 512, 0, bf),
        ("ntxent", 4096, 128, 0, bf), ("moco", 256, 128, 65536, bf), ("clip", 4096, 512, 0, f32),
        ("ntxent", 4096, 128, 0, f32), ("moco", 256, 128, 65536, f32)]:
        name = f"{subject}/N:{n}/D:{d}" + (f"/M:{m}" if m else "") + ("/bfloat16" if dtype == bf else "/float")
        make = lambda n, s=subject, d=d, m=m, t=dtype: Pairs(bridge, s, n, d, m, t)
        cases.append((name, make, n, PEERS[subject], 8e-3 if dtype == bf else 1e-5))
    for n, d, dtype in [(16384, 32768, f32), (16384, 32768, bf), (1 << 20, 100, f32)]:
        name = f"free_energy/N:{n}/K:{d}" + ("/bfloat16" if dtype == bf else "/float")
        make = lambda n, d=d, t=dtype: Rows(bridge, n, d, t)
        cases.append((name, make, n, free_energy, 4e-3 if dtype == bf else 1e-5))
    cases = [case for case in cases if re.search(arguments.only, case[0])]

    def write():
        if arguments.out:
            with open(arguments.out, "w") as file:
                json.dump(record, file, indent=1)
                file.write("\n")

    wrong = False
    for name, make, n, peer, allowed in cases:
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
        bridge.selfsame_release()
        record["cases"].append(case)
        if not arguments.no_peers and time.time() - begin < arguments.seconds:
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            case["eager_ms"] = guarded(lambda: milliseconds(lambda: subject.peer(peer), 3, 300))
            case["eager_mb"] = (torch.cuda.max_memory_allocated() - before) / 1e6
        print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in case.items()}), flush=True)
        del subject
        torch.cuda.empty_cache()
        write()
    for case, (name, make, n, peer, _) in zip(record["cases"], cases):
        if arguments.no_peers or time.time() - begin > arguments.seconds:
            continue
        torch._dynamo.reset()
        subject, compiled = make(n), torch.compile(peer)
        case["compiled_ms"] = guarded(lambda: milliseconds(lambda: subject.peer(compiled), 3, 300))
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
