"""This library beside PyTorch's dense forms, in one process and on the same memory.

Value and gradient of both projections, normalization included, float32. Results are compared before anything is
timed; then the sides take turns, and medians are reported.
"""

import argparse
import ctypes
import json
import logging
import os
import re
import statistics
import sys
import time

import torch
import torch.nn.functional as F

TEMPERATURE = {"ntxent": 0.1, "clip": 0.07}


def ntxent_blocks(anchors, positives, temperature, without_itself):
    """The four blocks of SimCLR's loss, and cross-entropy."""
    a, p = F.normalize(anchors, dim=1), F.normalize(positives, dim=1)
    n = a.shape[0]
    itself = torch.eye(n, dtype=torch.bool)
    aa = without_itself(a @ a.T / temperature, itself)
    ap = a @ p.T / temperature
    pa = p @ a.T / temperature
    pp = without_itself(p @ p.T / temperature, itself)
    logits = torch.cat([torch.cat([ap, aa], dim=1), torch.cat([pa, pp], dim=1)], dim=0)
    return F.cross_entropy(logits, torch.arange(n).repeat(2))


def ntxent(anchors, positives, temperature):
    """The diagonal masked out, as the public library lightly has it."""
    return ntxent_blocks(anchors, positives, temperature, lambda x, itself: x[~itself].view(x.shape[0], -1))


def ntxent_filled(anchors, positives, temperature):
    """The diagonal set to -inf: the fewest passes over the blocks."""
    return ntxent_blocks(anchors, positives, temperature, lambda x, itself: x.masked_fill(itself, float("-inf")))


def clip(anchors, positives, temperature):
    """As open_clip's ClipLoss."""
    a, p = F.normalize(anchors, dim=1), F.normalize(positives, dim=1)
    logits_a = (1 / temperature) * a @ p.T
    logits_p = (1 / temperature) * p @ a.T
    labels = torch.arange(a.shape[0])
    return (F.cross_entropy(logits_a, labels) + F.cross_entropy(logits_p, labels)) / 2


class Ours:
    def __init__(self, bridge, subject, anchors, positives, threads):
        self.call = bridge[f"{subject}_value_and_grad"]
        self.call.restype = ctypes.c_float
        self.gradients = [torch.empty_like(anchors), torch.empty_like(positives)]
        tensors = [anchors.detach(), positives.detach(), *self.gradients]
        self.arguments = [ctypes.c_void_p(t.data_ptr()) for t in tensors]
        self.arguments += [ctypes.c_int64(extent) for extent in anchors.shape]
        self.arguments += [ctypes.c_double(TEMPERATURE[subject]), ctypes.c_int(threads)]

    def __call__(self):
        return self.call(*self.arguments)


class Peer:
    def __init__(self, function, subject, anchors, positives):
        self.function, self.temperature = function, TEMPERATURE[subject]
        self.inputs = [anchors, positives]

    def __call__(self):
        for x in self.inputs:
            x.grad = None
        loss = self.function(*self.inputs, self.temperature)
        loss.backward()
        return loss.item()

    @property
    def gradients(self):
        return [x.grad for x in self.inputs]


# By subject: what is appended to the peer's name, and its function.
FORMS = {"ntxent": {"": ntxent, ", filled diagonal": ntxent_filled}, "clip": {"": clip}}


def timed(call):
    # Idle threads of the other side's pool spin for a while after its call; they would take this side's processors.
    time.sleep(0.02)
    started, processor = time.perf_counter(), time.process_time()
    call()
    seconds = time.perf_counter() - started
    return 1e3 * seconds, (time.process_time() - processor) / seconds


def compare(ours, peer):
    """The largest difference of loss and gradients; ends the program where the two do not compute the same."""
    losses = ours(), peer()
    loss_diff = abs(losses[0] - losses[1])
    diffs = [mine - theirs for mine, theirs in zip(ours.gradients, peer.gradients)]
    relative = max(float(d.norm() / g.norm()) for d, g in zip(diffs, peer.gradients))
    if not (loss_diff < 1e-4 * max(1, abs(losses[1])) and relative < 1e-4):
        sys.exit(f"error: different results: losses {losses[0]} and {losses[1]}, gradients off by {relative:.1e}")
    return max(loss_diff, *(float(d.abs().max()) for d in diffs))


class Comparison:
    """What the comparisons of this folder share: their options, threads, names, and results as a file."""

    def __init__(self, description, sizes, type=str):
        parser = argparse.ArgumentParser(description=description.splitlines()[0])
        parser.add_argument("--bridge", required=True, help="shared library built from bridge.cpp")
        parser.add_argument("--json", required=True, help="where the results go")
        parser.add_argument("--filter", default="", help="regular expression for `work` or `peer`")
        parser.add_argument("--sizes", type=type, nargs="*", default=sizes)
        options = parser.parse_args()
        logging.getLogger("torch").setLevel(logging.ERROR)  # that there is no GPU is no news
        self.sizes, self.json, self.filter = options.sizes, options.json, re.compile(options.filter)
        self.bridge = ctypes.CDLL(os.path.abspath(options.bridge))
        self.version = "torch " + ".".join(torch.__version__.split("+")[0].split(".")[:2])

    def threads(self):
        """Numbers of threads, each set for both sides."""
        for threads in [t for t in (1, 2) if t <= (os.cpu_count() or 1)]:
            torch.set_num_threads(threads)
            if self.bridge.threads_given(threads) != threads or torch.get_num_threads() != threads:
                sys.exit(f"error: cannot have {threads} threads")
            yield threads

    def peers(self, work, functions):
        """Of functions by name, those that are wanted; compiled where their names say so."""
        torch.compiler.reset()  # compiled code has its number of threads built in
        return {name: torch.compile(f, dynamic=False) if "compile" in name else f
                for name, f in functions.items() if self.filter.search(work) or self.filter.search(name)}

    def write(self, rows):
        with open(self.json, "w") as out:
            json.dump(rows, out, indent=1)
            out.write("\n")


def main():
    c = Comparison(__doc__, [512, 2048, 4096], int)
    rows = []
    print(f"{'work':46} {'peer':35} {'ours ms':>9} {'peer ms':>9} {'ratio':>6}  max diff")
    for subject, forms in FORMS.items():
        names = {f"{c.version} {mode}{form}": f for form, f in forms.items() for mode in ("eager", "compile")}
        for threads in c.threads():
            for n in c.sizes:
                work = f"{subject}_value_and_grad/N:{n}/D:128/threads:{threads}"
                torch.manual_seed(n)
                common = torch.randn(n, 128)
                anchors, positives = ((common + 0.5 * torch.randn(n, 128)).requires_grad_() for _ in range(2))
                peers = {name: Peer(run, subject, anchors, positives) for name, run in c.peers(work, names).items()}
                if peers:
                    ours = Ours(c.bridge, subject, anchors, positives, threads)
                    rows += side_by_side(work, threads, ours, peers, repetitions=max(5, min(30, 30 * 512 // n)))
    c.write(rows)


def side_by_side(work, threads, ours, peers, repetitions):
    max_diff = {name: compare(ours, peer) for name, peer in peers.items()}
    return side_by_side_of(work, threads, ours, peers, max_diff, repetitions)


def side_by_side_of(work, threads, ours, peers, max_diff, repetitions):
    """Rows of the table of calls whose results have been compared."""
    calls = {"ours": ours, **peers}
    times = {name: [] for name in calls}
    busy = []
    for repetition in range(1 + repetitions):
        for name, call in calls.items():
            milliseconds, processors = timed(call)
            if repetition == 0:  # warms up
                continue
            times[name].append(milliseconds)
            if name == "ours":
                busy.append(processors)
    # Two runtimes of OpenMP share the process: make sure that ours had its threads, if the machine had.
    if threads > 1 and statistics.median(busy) < 1.05:
        print(f"warning: {work}: ours kept {statistics.median(busy):.2f} processors busy", file=sys.stderr)
    ours_ms = statistics.median(times["ours"])
    rows = []
    for name in peers:
        peer_ms = statistics.median(times[name])
        rows.append({"work": work, "peer": name, "threads": threads, "ours_ms": round(ours_ms, 4),
                     "peer_ms": round(peer_ms, 4), "ratio": round(peer_ms / ours_ms, 3), "max_abs_diff": max_diff[name]})
        print(f"{work:46} {name:35} {ours_ms:9.2f} {peer_ms:9.2f} {peer_ms / ours_ms:6.2f}  {max_diff[name]:.1e}",
              flush=True)
    return rows


if __name__ == "__main__":
    main()
