"""DINO's loss beside its public PyTorch formulation, in one process and on the same memory.

Value and gradient of the students' logits, float32, two teacher views and ten student views. Results are compared
before anything is timed; then the sides take turns, and medians are reported.
"""

import ctypes
import sys

import torch
import torch.nn.functional as F
from compare import Comparison, side_by_side_of

TEACHERS, STUDENTS = 2, 10
TEACHER_TEMPERATURE, STUDENT_TEMPERATURE = 0.04, 0.1


def dino(teacher, students, center):
    """As DINOLoss of main_dino.py computes it: crop by crop, every pair of different views on its own."""
    predictions = (students / STUDENT_TEMPERATURE).chunk(STUDENTS)
    targets = F.softmax((teacher - center) / TEACHER_TEMPERATURE, dim=-1).detach().chunk(TEACHERS)
    total, pairs = 0, 0
    for t, target in enumerate(targets):
        for s, prediction in enumerate(predictions):
            if s != t:
                total += torch.sum(-target * F.log_softmax(prediction, dim=-1), dim=-1).mean()
                pairs += 1
    return total / pairs


class Ours:
    def __init__(self, bridge, teacher, students, center, threads):
        self.gradient = torch.empty_like(students)
        samples, prototypes = teacher.shape[0] // TEACHERS, teacher.shape[1]
        self.arguments = [ctypes.c_void_p(t.data_ptr()) for t in (teacher, students, center, self.gradient)]
        self.arguments += [ctypes.c_int64(samples), ctypes.c_int64(prototypes)]
        self.arguments += [ctypes.c_int(TEACHERS), ctypes.c_int(STUDENTS)]
        self.arguments += [ctypes.c_double(TEACHER_TEMPERATURE), ctypes.c_double(STUDENT_TEMPERATURE)]
        self.arguments += [ctypes.c_int(threads)]
        self.call = bridge.dino_value_and_grad
        self.call.restype = ctypes.c_float

    def __call__(self):
        return self.call(*self.arguments)


class Peer:
    def __init__(self, function, teacher, students, center):
        self.function, self.students, self.inputs = function, students, (teacher, students, center)

    def __call__(self):
        self.students.grad = None
        loss = self.function(*self.inputs)
        loss.backward()
        return loss.item()


def compare(loss, gradient, peer):
    """The largest difference of loss and gradient; ends the program where the two do not compute the same."""
    theirs = peer()
    off = gradient - peer.students.grad
    relative = float(off.norm() / peer.students.grad.norm())
    if not (abs(loss - theirs) < 1e-4 * max(1, abs(theirs)) and relative < 1e-4):
        sys.exit(f"error: different results: losses {loss} and {theirs}, gradients off by {relative:.1e}")
    return max(abs(loss - theirs), float(off.abs().max()))


def main():
    c = Comparison(__doc__, ["256x65536"])
    names = {f"{c.version} eager": dino, f"{c.version} compile": dino}
    rows = []
    for threads in c.threads():
        for size in c.sizes:
            samples, prototypes = map(int, size.split("x"))
            work = f"dino_value_and_grad/B:{samples}/K:{prototypes}/views:{TEACHERS}+{STUDENTS}/threads:{threads}"
            functions = c.peers(work, names)
            if not functions:
                continue
            torch.manual_seed(samples)
            teacher = torch.randn(TEACHERS * samples, prototypes) / 4
            students = (torch.randn(STUDENTS * samples, prototypes) / 4).requires_grad_()
            center = torch.randn(prototypes) / 8
            peers = {name: Peer(run, teacher, students, center) for name, run in functions.items()}
            ours = Ours(c.bridge, teacher, students.detach(), center, threads)
            loss = ours()
            differences = {name: compare(loss, ours.gradient, peer) for name, peer in peers.items()}
            # Eager takes seconds a call.
            rows += side_by_side_of(work, threads, ours, peers, differences, repetitions=3)
    c.write(rows)


if __name__ == "__main__":
    main()
