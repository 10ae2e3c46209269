"""Sinkhorn beside SwAV's public PyTorch form and POT, in one process and on the same memory.

Codes of float32 scores, epsilon 0.05, 3 iterations. Codes are compared before anything is timed; then the sides take
turns, and medians are reported.
"""

import ctypes
import importlib.metadata
import sys
import warnings

import torch
from compare import Comparison, side_by_side_of

EPSILON, ITERATIONS = 0.05, 3


def distributed_sinkhorn(out):
    """As SwAV's main_swav.py has it, in a world of one process."""
    Q = torch.exp(out / EPSILON).t()
    B = Q.shape[1]
    K = Q.shape[0]
    Q /= torch.sum(Q)
    for _ in range(ITERATIONS):
        Q /= torch.sum(Q, dim=1, keepdim=True)
        Q /= K
        Q /= torch.sum(Q, dim=0, keepdim=True)
        Q /= B
    Q *= B
    return Q.t()


def pot(scores):
    """Entropic transport of as many iterations; samples are the marginal that is served last."""
    import ot

    a, b = (torch.full((n,), 1 / n) for n in scores.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ot.sinkhorn(a, b, -scores, EPSILON, numItermax=ITERATIONS, stopThr=0, warn=False) * len(a)


class Ours:
    def __init__(self, bridge, scores, threads):
        self.codes = torch.empty_like(scores)
        self.arguments = [ctypes.c_void_p(t.data_ptr()) for t in (scores, self.codes)]
        self.arguments += [ctypes.c_int64(extent) for extent in scores.shape]
        self.arguments += [ctypes.c_double(EPSILON), ctypes.c_int(ITERATIONS), ctypes.c_int(threads)]
        self.call = bridge.sinkhorn_codes

    def __call__(self):
        self.call(*self.arguments)


def compare(codes, peer, scores):
    """The largest difference of codes; ends the program where the two do not compute the same."""
    theirs = peer(scores)
    off = float((codes - theirs).abs().max())
    relative = float((codes - theirs).norm() / theirs.norm())
    if not (off < 1e-4 and relative < 1e-4):
        sys.exit(f"error: different codes: off by {off:.1e}, relative {relative:.1e}")
    return off


@torch.no_grad()
def main():
    c = Comparison(__doc__, ["512x3000", "4096x3000", "1024x16384"])
    names = {f"{c.version} eager": distributed_sinkhorn, f"{c.version} compile": distributed_sinkhorn,
             f"POT {importlib.metadata.version('pot')}, torch": pot}
    rows = []
    for threads in c.threads():
        for size in c.sizes:
            samples, prototypes = map(int, size.split("x"))
            work = f"sinkhorn/B:{samples}/K:{prototypes}/threads:{threads}"
            peers = c.peers(work, names)
            if not peers:
                continue
            torch.manual_seed(samples)
            scores = 2 * torch.rand(samples, prototypes) - 1
            ours = Ours(c.bridge, scores, threads)
            ours()
            differences = {name: compare(ours.codes, peer, scores) for name, peer in peers.items()}
            calls = {name: (lambda peer=peer: peer(scores)) for name, peer in peers.items()}
            rows += side_by_side_of(work, threads, ours, calls, differences, repetitions=10)
    c.write(rows)


if __name__ == "__main__":
    main()
