"""SwAV's loss beside its public PyTorch formulation, in one process and on the same memory.

Value and gradients of features and prototypes, float32, two views that are assigned and six more. Results are compared
before anything is timed; then the sides take turns, and medians are reported.
"""

import ctypes
import sys

import torch
import torch.nn.functional as F
from compare import Comparison, side_by_side_of

ASSIGNED, VIEWS = 2, 8
EPSILON, ITERATIONS, TEMPERATURE = 0.05, 3, 0.1


@torch.no_grad()
def sinkhorn(scores):
    """As distributed_sinkhorn of main_swav.py, on one process."""
    q = torch.exp(scores / EPSILON).t()
    prototypes, samples = q.shape
    q /= torch.sum(q)
    for _ in range(ITERATIONS):
        q /= torch.sum(q, dim=1, keepdim=True)
        q /= prototypes
        q /= torch.sum(q, dim=0, keepdim=True)
        q /= samples
    q *= samples
    return q.t()


def swav(features, prototypes):
    """As main_swav.py computes it: crop by crop, against every assigned crop but its own."""
    scores = F.normalize(features, dim=1) @ prototypes.t()
    samples = scores.shape[0] // VIEWS
    loss = 0
    for a in range(ASSIGNED):
        q = sinkhorn(scores[samples * a : samples * (a + 1)].detach())
        part = 0
        for v in range(VIEWS):
            if v != a:
                x = scores[samples * v : samples * (v + 1)] / TEMPERATURE
                part -= torch.mean(torch.sum(q * F.log_softmax(x, dim=1), dim=1))
        loss += part / (VIEWS - 1)
    return loss / ASSIGNED


class Ours:
    def __init__(self, bridge, features, prototypes, threads):
        self.gradients = [torch.empty_like(features), torch.empty_like(prototypes)]
        self.arguments = [ctypes.c_void_p(t.data_ptr()) for t in (features, prototypes, *self.gradients)]
        self.arguments += [ctypes.c_int64(features.shape[0] // VIEWS), ctypes.c_int64(prototypes.shape[0])]
        self.arguments += [ctypes.c_int64(features.shape[1]), ctypes.c_int(ASSIGNED), ctypes.c_int(VIEWS)]
        self.arguments += [ctypes.c_int(threads)]
        self.call = bridge.swav_value_and_grad
        self.call.restype = ctypes.c_float

    def __call__(self):
        return self.call(*self.arguments)


class Peer:
    def __init__(self, function, *inputs):
        self.function, self.inputs = function, inputs

    def __call__(self):
        for x in self.inputs:
            x.grad = None
        loss = self.function(*self.inputs)
        loss.backward()
        return loss.item()


def compare(loss, gradients, peer):
    """The largest difference of loss and gradients; ends the program where the two do not compute the same."""
    theirs = peer()
    largest = abs(loss - theirs)
    for ours, x in zip(gradients, peer.inputs):
        off = ours - x.grad
        relative = float(off.norm() / x.grad.norm())
        if not (abs(loss - theirs) < 1e-4 * max(1, abs(theirs)) and relative < 1e-4):
            sys.exit(f"error: different results: losses {loss} and {theirs}, gradients off by {relative:.1e}")
        largest = max(largest, float(off.abs().max()))
    return largest


def main():
    c = Comparison(__doc__, ["512x3000"])
    names = {f"{c.version} eager": swav, f"{c.version} compile": swav}
    rows = []
    for threads in c.threads():
        for size in c.sizes:
            samples, count = map(int, size.split("x"))
            work = f"swav_value_and_grad/B:{samples}/K:{count}/D:128/views:2+6/threads:{threads}"
            functions = c.peers(work, names)
            if not functions:
                continue
            torch.manual_seed(samples)
            features = torch.randn(VIEWS * samples, 128).requires_grad_()
            prototypes = F.normalize(torch.randn(count, 128), dim=1).requires_grad_()
            peers = {name: Peer(run, features, prototypes) for name, run in functions.items()}
            ours = Ours(c.bridge, features.detach(), prototypes.detach(), threads)
            loss = ours()
            differences = {name: compare(loss, ours.gradients, peer) for name, peer in peers.items()}
            rows += side_by_side_of(work, threads, ours, peers, differences, repetitions=5)
    c.write(rows)


if __name__ == "__main__":
    main()
