"""What record.py measures: work of this library, the same as public PyTorch code, and its limits on a card.

A subject has `ours()`, which computes into `results()`; `peers()`, functions that do the same work by name;
`difference()`, the relative errors of its results against float64; and `limit(limits)`, the seconds that its
operations, or its bytes, cannot do without.
"""

import ctypes
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
from dino import STUDENTS, TEACHERS, dino
from swav import ASSIGNED, EPSILON, ITERATIONS, VIEWS, sinkhorn, swav

OBJECTIVES = {"ntxent": 0, "clip": 1, "moco": 2}
TYPES = {torch.bfloat16: 0, torch.float32: 1}


def pointer(tensor):
    return ctypes.c_void_p(0 if tensor is None else tensor.data_ptr())


def integers(*values):
    return [ctypes.c_int64(x) for x in values]


def stream():
    return ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)


def seeded():
    return torch.Generator(device="cuda").manual_seed(1)


def unset(x):
    return torch.full_like(x, float("nan"))


def relative(pairs):
    return [float((x.detach().double() - y.detach()).norm() / y.detach().norm()) for x, y in pairs]


def with_gradients(function, inputs):
    """A call of value and gradients of those inputs that want one."""

    def call():
        for x in inputs:
            x.grad = None
        loss = function(*inputs)
        loss.backward()
        return loss

    return call


def in_float64(function, inputs):
    exact = [x.detach().double().requires_grad_(x.requires_grad) for x in inputs]
    loss = function(*exact)
    loss.backward()
    return loss, [x.grad for x in exact if x.requires_grad]


class Differentiable:
    """Of `formula` of `inputs`: value and gradients of those inputs that want one, which `results()` are."""

    def peers(self):
        return {"eager": with_gradients(self.formula, self.inputs)}

    def compiled(self):
        return with_gradients(torch.compile(self.formula), self.inputs)

    def difference(self):
        self.ours()
        loss, gradients = in_float64(self.formula, self.inputs)
        ours, *of_inputs = self.results()
        return relative([(ours[0], loss), *zip(of_inputs, gradients)])


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


def both_directions(cross_entropy):
    """CLIP by a cross-entropy of rows a to classes p that holds no logits."""

    def loss(a, p, temperature):
        a, p = F.normalize(a, dim=1), F.normalize(p, dim=1)
        labels = torch.arange(a.shape[0], device=a.device)
        return (cross_entropy(a / temperature, p, labels) + cross_entropy(p / temperature, a, labels)) / 2

    return loss


def fused_clip():
    """The fused kernels that there are here."""
    found = {}
    try:
        from cut_cross_entropy import linear_cross_entropy

        found["CCE"] = both_directions(linear_cross_entropy)
        found["CCE, no filter"] = both_directions(lambda a, p, y: linear_cross_entropy(a, p, y, filter_eps=None))
    except ImportError:
        pass
    try:
        from liger_kernel.transformers.functional import liger_fused_linear_cross_entropy

        found["Liger"] = both_directions(lambda a, p, y: liger_fused_linear_cross_entropy(a, p, y))
    except ImportError:
        pass
    try:
        from inf_cl import cal_flash_loss

        found["Inf-CL"] = both_directions(lambda a, p, y: cal_flash_loss(a, p, y).mean())
    except ImportError:
        pass
    return found


FORMULAS = {"ntxent": ntxent, "clip": clip, "moco": moco}


class Pairs(Differentiable):
    def __init__(self, bridge, subject, n, d, m, dtype):
        self.bridge, self.subject, self.n, self.d, self.m = bridge, subject, n, d, m
        self.temperature = 0.1 if subject == "ntxent" else 0.07
        generator = seeded()
        draw = lambda rows: torch.randn(rows, d, device="cuda", generator=generator)
        base = draw(n)
        self.a = (base + draw(n)).to(dtype).requires_grad_()
        self.p = (base + draw(n)).to(dtype).requires_grad_(subject != "moco")
        self.q = draw(m).to(dtype) if m else None
        self.inputs = [x for x in (self.a, self.p, self.q) if x is not None]
        self.da, self.dp = unset(self.a), unset(self.p)
        self.loss = torch.full((1,), float("nan"), device="cuda")

    def ours(self):
        self.bridge.selfsame_value_and_grad(
            OBJECTIVES[self.subject], TYPES[self.a.dtype], ctypes.c_double(self.temperature), pointer(self.a),
            pointer(self.p), pointer(self.q), pointer(self.da), pointer(self.dp), pointer(self.loss),
            *integers(self.n, self.m, self.d), stream())

    def results(self):
        return [self.loss, self.da] + ([self.dp] if self.subject != "moco" else [])

    def formula(self, *inputs):
        return FORMULAS[self.subject](*inputs, self.temperature)

    def peers(self):
        others = fused_clip() if self.subject == "clip" and self.a.dtype == torch.bfloat16 else {}
        bound = lambda f: lambda *inputs: f(*inputs, self.temperature)
        return super().peers() | {name: with_gradients(bound(f), self.inputs) for name, f in others.items()}

    def limit(self, limits):
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
        self.z = (3 * torch.randn(n, d, device="cuda", generator=seeded())).to(dtype).requires_grad_()
        self.values = torch.full((n,), float("nan"), device="cuda")
        self.gradient = unset(self.z)

    def ours(self):
        self.bridge.selfsame_free_energy(
            int(self.z.dtype == torch.bfloat16), ctypes.c_double(1.0), pointer(self.z), pointer(self.values),
            pointer(self.gradient), *integers(self.n, self.d), stream())

    def results(self):
        return [self.values, self.gradient]

    def peers(self):
        return {"eager": with_gradients(lambda z: free_energy(z).sum(), [self.z])}

    def compiled(self):
        return with_gradients(torch.compile(lambda z: free_energy(z).sum()), [self.z])

    def difference(self):
        self.ours()
        values = free_energy(self.z.detach().double())
        gradients = in_float64(lambda z: free_energy(z).sum(), [self.z])[1]
        return relative([(self.values, values), (self.gradient, gradients[0])])

    def limit(self, limits):
        return 2 * self.z.numel() * self.z.element_size() / (1e9 * limits["gigabytes_per_second"])


class Sinkhorn:
    """Codes of scores; the limit is a read for each iteration, another, and a write."""

    def __init__(self, bridge, n, k):
        self.bridge, self.n, self.k = bridge, n, k
        self.scores = torch.rand(n, k, device="cuda", generator=seeded()) * 2 - 1
        self.codes = unset(self.scores)

    def ours(self):
        self.bridge.selfsame_sinkhorn(ctypes.c_double(EPSILON), ITERATIONS, pointer(self.scores), pointer(self.codes),
                                      *integers(self.n, self.k), stream())

    def results(self):
        return [self.codes]

    def peers(self):
        return {"eager": lambda: sinkhorn(self.scores)}

    def compiled(self):
        function = torch.compile(sinkhorn)
        return lambda: function(self.scores)

    def difference(self):
        self.ours()
        return relative([(self.codes, sinkhorn(self.scores.double()))])

    def limit(self, limits):
        return (ITERATIONS + 2) * self.scores.numel() * 4 / (1e9 * limits["gigabytes_per_second"])


class Dino(Differentiable):
    """Logits of every view are read once, and gradients of the students' written."""

    formula = staticmethod(dino)

    def __init__(self, bridge, n, k):
        self.bridge, self.n, self.k = bridge, n, k
        generator = seeded()
        draw = lambda *shape: torch.randn(*shape, device="cuda", generator=generator)
        self.inputs = [draw(TEACHERS * n, k) / 4, (draw(STUDENTS * n, k) / 4).requires_grad_(), draw(k) / 8]
        self.gradient = unset(self.inputs[1])
        self.loss = torch.full((1,), float("nan"), device="cuda")

    def ours(self):
        self.bridge.selfsame_dino(*map(pointer, self.inputs), pointer(self.gradient), pointer(self.loss),
                                  *integers(self.n, self.k), TEACHERS, STUDENTS, stream())

    def results(self):
        return [self.loss, self.gradient]

    def limit(self, limits):
        return (TEACHERS + 2 * STUDENTS) * self.n * self.k * 4 / (1e9 * limits["gigabytes_per_second"])


class Swav(Differentiable):
    """Scores, and the products of both gradients."""

    formula = staticmethod(swav)

    def __init__(self, bridge, n, k, d):
        self.bridge, self.shape = bridge, (n, k, d)
        generator = seeded()
        draw = lambda rows: torch.randn(rows, d, device="cuda", generator=generator)
        self.inputs = [draw(VIEWS * n).requires_grad_(), F.normalize(draw(k), dim=1).requires_grad_()]
        self.gradients = [unset(x) for x in self.inputs]
        self.loss = torch.full((1,), float("nan"), device="cuda")

    def ours(self):
        self.bridge.selfsame_swav(*map(pointer, self.inputs + self.gradients), pointer(self.loss),
                                  *integers(*self.shape), ASSIGNED, VIEWS, stream())

    def results(self):
        return [self.loss, *self.gradients]

    def limit(self, limits):
        n, k, d = self.shape
        return 6 * VIEWS * n * k * d / (1e12 * limits["float_tflops"])


class Simclr:
    """Views of bytes of 375 x 500, drawn by SimCLR's recipe, 224 x 224 normalized floats; peers draw their own.

    The limit: the crop, 0.54 of an image on average, is read, and the view written.
    """

    height, width, size = 375, 500, 224

    def __init__(self, bridge, n):
        self.bridge, self.n = bridge, n
        coarse = torch.rand(n, 3, 12, 16, device="cuda", generator=seeded()) * 255
        self.images = torch.empty(n, self.height, self.width, 3, dtype=torch.uint8, device="cuda")
        for part, images in zip(coarse.split(256), self.images.split(256)):
            whole = F.interpolate(part, (self.height, self.width), mode="bilinear")
            noisy = whole + 8 * torch.randn(whole.shape, device="cuda", generator=None)
            images.copy_(noisy.clamp(0, 255).permute(0, 2, 3, 1))
        self.out = torch.full((n, 3, self.size, self.size), float("nan"), device="cuda")

    def ours(self):
        self.bridge.selfsame_simclr(pointer(self.images), pointer(self.out), *integers(self.n, self.height, self.width),
                                    stream())

    def results(self):
        return [self.out]

    def peers(self):
        found = {}
        mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        chw = self.images.permute(0, 3, 1, 2).contiguous()
        try:
            from torchvision.transforms import v2

            view = v2.Compose([
                v2.RandomResizedCrop(self.size, (0.08, 1), antialias=True), v2.RandomHorizontalFlip(),
                v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8), v2.RandomGrayscale(0.2),
                v2.RandomApply([v2.GaussianBlur(23, (0.1, 2.0))], 0.5), v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(mean, deviation)])
            found["torchvision"] = lambda: torch.stack([view(x) for x in chw])
        except ImportError:
            pass
        try:
            import kornia.augmentation as K

            views = K.AugmentationSequential(
                K.RandomResizedCrop((self.size, self.size), (0.08, 1.0)), K.RandomHorizontalFlip(),
                K.ColorJitter(0.8, 0.8, 0.8, 0.2, p=0.8), K.RandomGrayscale(p=0.2),
                K.RandomGaussianBlur((23, 23), (0.1, 2.0), p=0.5),
                K.Normalize(torch.tensor(mean), torch.tensor(deviation)), data_keys=["input"])
            found["kornia"] = lambda: torch.cat([views(x.float() / 255) for x in chw.split(256)])
        except ImportError:
            pass
        return found

    def difference(self):
        """Against the host's engine with the same key."""
        self.ours()
        images, out = self.images[:64].cpu(), self.out[:64].cpu()
        expected = torch.empty_like(out)
        self.bridge.selfsame_simclr_on_host(pointer(images), pointer(expected),
                                            *integers(images.shape[0], self.height, self.width))
        return relative([(out, expected.double())])

    def limit(self, limits):
        read = 0.54 * 3 * self.height * self.width
        return self.n * (read + 12 * self.size**2) / (1e9 * limits["gigabytes_per_second"])


def all_subjects(bridge):
    """Name, the number of rows, how a subject of that many rows is made, and the errors that are allowed."""
    cases = []

    def pairs(subject, n, d, m=0, dtype=torch.bfloat16):
        name = f"{subject}/N:{n}/D:{d}" + (f"/M:{m}" if m else "")
        rounded = dtype == torch.bfloat16
        make = lambda rows: Pairs(bridge, subject, rows, d, m, dtype)
        cases.append((name + ("/bfloat16" if rounded else "/float"), n, make, 8e-3 if rounded else 1e-5))

    def rows(n, k, dtype=torch.float32):
        rounded = dtype == torch.bfloat16
        name = f"free_energy/N:{n}/K:{k}" + ("/bfloat16" if rounded else "/float")
        cases.append((name, n, lambda rows: Rows(bridge, rows, k, dtype), 4e-3 if rounded else 1e-5))

    pairs("clip", 32768, 768)
    pairs("ntxent", 32768, 768)
    for n, k in [(4096, 65536), (4096, 3000)]:
        cases.append((f"sinkhorn/B:{n}/K:{k}/float", n, lambda rows, k=k: Sinkhorn(bridge, rows, k), 3e-5))
    cases.append(("simclr224/images:1024/from:375x500", 1024, lambda rows: Simclr(bridge, rows), 1e-3))
    cases.append(("dino/B:256/K:65536/views:2+10/float", 256, lambda rows: Dino(bridge, rows, 65536), 3e-5))
    cases.append(("swav/B:512/K:3000/D:128/views:2+6/float", 512, lambda rows: Swav(bridge, rows, 3000, 128), 3e-5))
    rows(16384, 32768)
    rows(16384, 32768, torch.bfloat16)
    rows(1 << 20, 100)
    pairs("clip", 4096, 512)
    pairs("ntxent", 4096, 128)
    pairs("moco", 256, 128, 65536)
    pairs("clip", 4096, 512, dtype=torch.float32)
    pairs("ntxent", 4096, 128, dtype=torch.float32)
    pairs("moco", 256, 128, 65536, torch.float32)
    return cases
