#!/usr/bin/env python3
"""LibTorch tensors on a GPU: builds tensors.cu as PyTorch's extension, compares with PyTorch in float64, in eager mode,
on a stream of its own and in a captured graph. Ends with 1 where anything differs."""

import os
import pathlib
import sys

import torch
import torch.nn.functional as F
from torch.utils.cpp_extension import load

HERE = pathlib.Path(__file__).resolve().parent
failures = 0


def check(name, pairs, allowed):
    global failures
    errors = [float((x.double() - y).norm() / y.norm()) for x, y in pairs]
    failures += not all(e < allowed for e in errors)
    print(name, *(f"{e:.1e}" for e in errors), "" if all(e < allowed for e in errors) else f"above {allowed}", flush=True)


def differentiated(function, *inputs):
    """Value and gradients, the value weighted by its place where there are several."""
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    value = function(*inputs)
    weights = torch.arange(1, value.numel() + 1, device=value.device, dtype=value.dtype).reshape(value.shape)
    (value * weights).sum().backward()
    return [value.detach(), *(x.grad for x in inputs)]


def clip_loss(a, p, t):
    logits = F.normalize(a, dim=1) @ F.normalize(p, dim=1).T / t
    labels = torch.arange(len(a), device=a.device)
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def nt_xent_losses(a, p):
    """Of a sample: the mean of both of its views'."""
    z = F.normalize(torch.cat([a, p]), dim=1)
    logits = (z @ z.T / 0.2).fill_diagonal_(float("-inf"))
    losses = F.cross_entropy(logits, torch.arange(len(z), device=a.device).roll(len(a)), reduction="none")
    return (losses[: len(a)] + losses[len(a) :]) / 2


def moco_loss(a, p, q):
    a, p, q = (F.normalize(x, dim=1) for x in (a, p, q))
    logits = torch.cat([(a * p).sum(1, keepdim=True), a @ q.T], dim=1) / 0.1
    return F.cross_entropy(logits, torch.zeros(len(a), dtype=torch.long, device=a.device))


def main():
    global failures
    major, minor = torch.cuda.get_device_capability()
    # Warpgroups of sm_90 are in no other GPU's instruction set.
    os.environ.setdefault("TORCH_CUDA_ARCH_LIST", f"{major}.{minor}" + ("a" if major == 9 else ""))
    ours = load("selfsame_tensors", [str(HERE / "tensors.cu")], extra_include_paths=[str(HERE.parents[2] / "include")],
                extra_cflags=["-std=c++20"], extra_cuda_cflags=["-std=c++20", "--expt-relaxed-constexpr"])
    torch.manual_seed(1)
    draw = lambda *shape: torch.randn(*shape, device="cuda")
    base = draw(500, 96)
    a, p, q, t = base + draw(500, 96), base + draw(500, 96), draw(900, 96), torch.tensor(0.3, device="cuda")
    wide = lambda *x: [v.double() for v in x]
    for name, mine, formula, inputs in [
        ("CLIP with a temperature", ours.clip_loss, clip_loss, (a, p, t)),
        ("NT-Xent of samples", ours.nt_xent_losses, nt_xent_losses, (a, p)),
        ("MoCo", ours.moco_loss, moco_loss, (a, p, q))]:
        check(name, zip(differentiated(mine, *inputs), differentiated(formula, *wide(*inputs))), 1e-5)
    columns = torch.randn(96, 500, device="cuda").T
    check("columns as rows", zip(differentiated(ours.nt_xent_losses, columns, p),
                                 differentiated(nt_xent_losses, *wide(columns, p))), 1e-5)
    halves = [x.bfloat16() for x in (a, p)]
    check("bfloat16", zip(differentiated(ours.nt_xent_losses, *halves), differentiated(nt_xent_losses, *wide(*halves))),
          5e-3)

    logits = 5 * draw(300, 1000)
    expected = -torch.logsumexp(logits.double(), 1)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        on_stream = ours.free_energies(logits)
    stream.synchronize()
    check("free energy, another stream", [(on_stream, expected)], 1e-6)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = ours.free_energies(logits)
    captured.zero_()
    graph.replay()
    torch.cuda.synchronize()
    check("free energy, a captured graph", [(captured, expected)], 1e-6)
    for wrong in (logits.cpu(), logits.double()):
        try:
            ours.free_energies(wrong)
            said = "nothing"
        except ValueError as error:
            said = str(error)
        print(said)
        failures += not said.startswith("selfsame: logits: got ")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
