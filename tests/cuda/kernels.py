#!/usr/bin/env python3
"""Compiles kernels.cu for several GPUs and holds what comes out to what the library promises.

kernels.py --nvcc NVCC --out FOLDER [--architectures 80,90a,100] [--launched FILE] -- FLAGS...

Prints, for each kernel, registers of a thread, static shared memory of a block, spilled bytes, and what its PTX holds.
Fails if a kernel spills or uses local memory, if its PTX is empty, traps or has generic addresses, if a kernel of tiles
reads rows by less than 16 bytes, or bfloat16 without tensor cores, or if a kernel is not among those that --launched says were run in fibers.
"""
import argparse
import pathlib
import re
import subprocess
import sys


def run(command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}")
    return result.stdout + result.stderr


def without_isa(name):
    """A type's name without the namespace of the instruction set that its unit was compiled for."""
    name = re.sub(r"selfsame::(avx\w+|neon|baseline)::", "selfsame::", name)
    return re.sub(r"\s+", " ", name).replace("> >", ">>").strip()


def kernel_type(entry):
    """The kernel of `void selfsame::device::run<KERNEL>(KERNEL)`."""
    begin = entry.index("::run<") + len("::run<")
    depth, end = 1, begin
    while depth > 0:
        depth += {"<": 1, ">": -1}.get(entry[end], 0)
        end += 1
    return without_isa(entry[begin : end - 1].strip())


def demangled(names):
    """The kernels' types by the names of entries; CUB brings an entry of its own."""
    output = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return {name: kernel_type(text) for name, text in zip(names, output.splitlines()) if "::device::run<" in text}


def bodies(ptx):
    """The instructions of each kernel."""
    found = {}
    for match in re.finditer(r"^\.(?:visible|weak) \.entry (\w+)\(.*?^\{(.*?)^\}", ptx, re.M | re.S):
        lines = (line.strip() for line in match.group(2).splitlines())
        found[match.group(1)] = [line for line in lines if line.endswith(";") and not line.startswith(".")]
    return found


def resources(log):
    """Registers, shared memory, spilled and local bytes of each kernel, from ptxas -v."""
    found = {}
    for name, text in re.findall(r"Compiling entry function '(\w+)'(.*?)(?=Compiling entry|\Z)", log, re.S):
        number = lambda pattern: int((re.search(pattern, text) or [0, "0"])[1])
        found[name] = (
            number(r"Used (\d+) registers"),
            number(r"(\d+) bytes smem"),
            number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"),
            number(r"(\d+) bytes stack frame"),
        )
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nvcc", default="nvcc")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--architectures", default="80,90a,100")
    parser.add_argument("--launched", type=pathlib.Path)
    parser.add_argument("flags", nargs="*")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    source = pathlib.Path(__file__).with_name("kernels.cu")
    ptxas = pathlib.Path(options.nvcc).with_name("ptxas")

    wrong, kernels = [], {}
    for architecture in options.architectures.split(","):
        ptx_file = options.out / f"kernels.sm_{architecture}.ptx"
        run([options.nvcc, *options.flags, f"-arch=compute_{architecture}", "-ptx", "-o", ptx_file, source])
        log = run([ptxas, "-v", f"-arch=sm_{architecture}", "-o", options.out / f"kernels.sm_{architecture}.cubin", ptx_file])
        products = r"wgmma\.mma_async" if architecture == "90a" else r"mma\.sync"
        code, used = bodies(ptx_file.read_text()), resources(log)
        names = demangled(list(code))
        if not names:
            wrong.append(f"sm_{architecture}: there are no kernels")
        for entry, name in names.items():
            if entry not in used:
                wrong.append(f"sm_{architecture}: ptxas says nothing of {name}")
                continue
            registers, shared, spilled, local = used[entry]
            text = "\n".join(code[entry])
            kernels.setdefault(name, []).append((architecture, registers, shared, spilled, len(code[entry])))
            # No GPU of sm_80 has the shared memory that the products of tensor cores want.
            if (spilled or local) and not (architecture == "80" and "mma_products" in name):
                wrong.append(f"sm_{architecture}: {name} spills {spilled} bytes and has {local} of local memory")
            if len(code[entry]) < 8 or "trap;" in text:
                wrong.append(f"sm_{architecture}: {name} is empty or traps")
            if re.search(r"^(@%p\d+ )?(ld|st)\.(relaxed\.gpu\.)?(?!relaxed|global|shared|param|local|const)", text, re.M):
                wrong.append(f"sm_{architecture}: {name} has accesses of which the compiler does not know the memory")
            if "_tiles<" in name:
                if not re.search(r"ld\.global\.(nc\.)?(v4\.[fbu]32|v2\.[fbu]64)|cp\.async\.cg", text):
                    wrong.append(f"sm_{architecture}: {name} does not read 16 bytes at once")
                if "bfloat16" in name.split("_tiles<")[1].split(",")[0] and not re.search(products, text):
                    wrong.append(f"sm_{architecture}: {name} uses no tensor cores")

    for name in sorted(kernels):
        print(name)
        for architecture, registers, shared, spilled, instructions in kernels[name]:
            print(f"    sm_{architecture}: {registers} registers, {shared} bytes of shared memory, {spilled} spilled, "
                  f"{instructions} PTX instructions")
    print(f"{len(kernels)} kernels")

    if options.launched:
        launched = {without_isa(line) for line in options.launched.read_text().splitlines()}
        for name in sorted(set(kernels) - launched):
            wrong.append(f"{name} is compiled, and no test runs it in fibers")
    for text in wrong:
        print("error:", text, file=sys.stderr)
    sys.exit(1 if wrong else 0)


main()
