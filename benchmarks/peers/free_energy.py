"""Free energy beside torch.logsumexp, in one process and on the same memory.

-T logsumexp(logits / T) of float32 logits at T = 1, where PyTorch needs no scaling. Values are compared before
anything is timed; then the sides take turns, and medians are reported.
"""

import ctypes
import sys

import torch
from compare import Comparison, side_by_side_of


def free_energy(logits):
    return -torch.logsumexp(logits, dim=1)


class Ours:
    def __init__(self, bridge, logits, threads):
        self.values = torch.empty(logits.shape[0])
        self.arguments = [ctypes.c_void_p(t.data_ptr()) for t in (logits, self.values)]
        self.arguments += [ctypes.c_int64(extent) for extent in logits.shape]
        self.arguments += [ctypes.c_double(1), ctypes.c_int(threads)]
        self.call = bridge.free_energies

    def __call__(self):
        self.call(*self.arguments)


def compare(values, theirs):
    """The largest difference; ends the program where the two do not compute the same."""
    off = float((values - theirs).abs().max())
    if not off < 1e-5 * float(theirs.abs().max()):
        sys.exit(f"error: different free energies: off by {off:.1e}")
    return off


@torch.no_grad()
def main():
    c = Comparison(__doc__, ["65536x1000", "655360x100"])
    names = {f"{c.version} eager": free_energy, f"{c.version} compile": free_energy}
    rows = []
    for threads in c.threads():
        for size in c.sizes:
            samples, classes = map(int, size.split("x"))
            work = f"free_energy/B:{samples}/K:{classes}/threads:{threads}"
            peers = c.peers(work, names)
            if not peers:
                continue
            torch.manual_seed(samples)
            logits = 4 * torch.randn(samples, classes)
            ours = Ours(c.bridge, logits, threads)
            ours()
            differences = {name: compare(ours.values, peer(logits)) for name, peer in peers.items()}
            calls = {name: (lambda peer=peer: peer(logits)) for name, peer in peers.items()}
            rows += side_by_side_of(work, threads, ours, calls, differences, repetitions=10)
    c.write(rows)


if __name__ == "__main__":
    main()
