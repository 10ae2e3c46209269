#!/usr/bin/env python3
"""library.py FILE.ptx RECORDING [OTHER.ptx]: every kernel of the library, run from PTX; those alone whose code is not
that of another file, if it is given.

What `run.py replay` does, and results of objectives over pairs beside their definition in NumPy's float64 too: a second
reference, with all logits at once and no code of the library's.
"""

import argparse
import sys

import run  # which says so if there is no NumPy
import numpy as np
from interpreter import replay

TEMPERATURE = 0.1
WIDTH = 24


def normalized(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def through_norm(gradient, x):
    """d loss / d x from that with respect to x / |x|."""
    length, unit = np.linalg.norm(x, axis=1, keepdims=True), normalized(x)
    return (gradient - (gradient * unit).sum(1, keepdims=True) * unit) / length


def cross_entropy(logits, targets):
    """Mean loss of the rows, and its gradient with respect to the logits."""
    shifted = logits - logits.max(1, keepdims=True)
    total = np.log(np.exp(shifted).sum(1, keepdims=True))
    rows = np.arange(len(logits))
    gradient = np.exp(shifted - total)
    gradient[rows, targets] -= 1
    return float((total[:, 0] - shifted[rows, targets]).mean()), gradient / len(logits)


def nt_xent(anchors, positives, queue):
    n = len(anchors)
    x = np.concatenate([anchors, positives])
    z = normalized(x)
    logits = z @ z.T / TEMPERATURE
    np.fill_diagonal(logits, -np.inf)
    loss, g = cross_entropy(logits, np.roll(np.arange(2 * n), n))
    gradient = through_norm((g + g.T) @ z / TEMPERATURE, x)
    return {"loss": loss, "to_anchors": gradient[:n], "to_positives": gradient[n:]}


def clip(anchors, positives, queue):
    a, p = normalized(anchors), normalized(positives)
    rows, by_rows = cross_entropy(a @ p.T / TEMPERATURE, np.arange(len(a)))
    columns, by_columns = cross_entropy(p @ a.T / TEMPERATURE, np.arange(len(a)))
    g = (by_rows + by_columns.T) / 2
    slope = float(-(g * (a @ p.T)).sum() / TEMPERATURE**2)
    return {
        "loss": (rows + columns) / 2,
        "to_anchors": through_norm(g @ p / TEMPERATURE, anchors),
        "to_positives": through_norm(g.T @ a / TEMPERATURE, positives),
        "temperature": slope,
    }


def moco(anchors, positives, queue):
    a, p, k = normalized(anchors), normalized(positives), normalized(queue)
    logits = np.concatenate([(a * p).sum(1, keepdims=True), a @ k.T], axis=1) / TEMPERATURE
    loss, g = cross_entropy(logits, np.zeros(len(a), int))
    own = g[:, :1] * p + g[:, 1:] @ k
    return {
        "loss": loss,
        "to_anchors": through_norm(own / TEMPERATURE, anchors),
        "to_positives": through_norm(g[:, :1] * a / TEMPERATURE, positives),
        "to_queue": through_norm(g[:, 1:].T @ a / TEMPERATURE, queue),
    }


# Elements round inputs and results, tensor cores the normalized rows and the probabilities too.
CASES = {
    "NT-Xent of floats": (nt_xent, "floats", 2e-6),
    "CLIP of floats": (clip, "floats", 2e-6),
    "MoCo of floats": (moco, "floats", 2e-6),
    "NT-Xent of doubles": (nt_xent, "doubles", 1e-7),
    "CLIP of bfloats": (clip, "bfloats", 3e-3),
    "MoCo of halves": (moco, "halves", 4e-4),
    "CLIP of bfloats in tensor cores": (clip, "bfloats", 1.5e-2),
    "NT-Xent of bfloats in tensor cores": (nt_xent, "bfloats", 1.5e-2),
    "MoCo of floats in tensor cores": (moco, "floats", 1.5e-2),
}


def beside_definition():
    """What run.py is to compare too. The first case of a name is the call for one value, the second that for samples."""
    seen = set()

    def compare(case, found):
        if case.name in seen or case.name not in CASES:
            return []
        seen.add(case.name)
        objective, elements, tolerance = CASES[case.name]
        given = []
        for name in ("anchors", "positives", "queue"):
            type_name, raw = case.buffers[f"{elements}.{name}"]
            given.append(replay.values(type_name, raw).reshape(-1, WIDTH))
        results = []
        for name, wanted in objective(*given).items():
            buffer = f"{elements}.{name}"
            values = replay.values(case.buffers[buffer][0], found[buffer])
            results.append((f"{name} beside its definition", replay.distance(values, np.ravel(wanted)), tolerance))
        print(f"{case.name}: " + ", ".join(f"{name} {off:.1e}" for name, off, _ in results))
        return results

    return compare, seen


def main():
    file, recording, *other = sys.argv[1:]
    compare, seen = beside_definition()
    options = argparse.Namespace(
        file=file,
        recordings=[recording],
        every="device::run<",
        same_code_in=other[0] if other else None,
        cooperative=False,
        apart=False,
    )
    status = run.replay_recordings(options, compare)
    for name in set() if other else set(CASES) - seen:
        print(f"error: no case {name}", file=sys.stderr)
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
