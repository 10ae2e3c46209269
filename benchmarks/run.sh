#!/usr/bin/env bash
# benchmarks/run.sh micro [REGEX]
# benchmarks/run.sh peers [REGEX]
# benchmarks/run.sh compile [REGEX]
# benchmarks/run.sh gpu [REGEX]
#
# micro: the Google Benchmark suite, a part of it built with clang, for AVX2 and for the oldest x86-64, and OpenBLAS
#        on each of its kernels; the results are in build/benchmarks/micro.json. Then extra memory of a call by size.
# peers: this library beside others, which are installed into build/venv; build/benchmarks/peers.json.
# compile: seconds to compile a unit that includes one public header, and its lines after preprocessing;
#        build/benchmarks/compile.json.
# gpu: where there are a GPU, nvcc and a PyTorch that uses it: the tests on it, alone and under compute-sanitizer, with
#      PyTorch's tensors, and the library beside PyTorch; the dated record is build/benchmarks/gpu.json, earlier ones are in benchmarks/gpu.
#
# benchmarks/table.py prints what is there as tables.
set -euo pipefail
# shellcheck source=cmake/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/setup.sh"
[[ $# -ge 1 && $# -le 2 ]] || usage
job=$1
regex=${2:-}
out=build/benchmarks
mkdir -p "$out"

# build DIR PRESET TARGETS [OPTION...]
build() {
    local dir=$1 preset=$2 targets=$3
    shift 3
    configure "$dir" "$preset" -DSELFSAME_BUILD_TESTS=OFF -DSELFSAME_BUILD_EXAMPLES=OFF \
        -DCMAKE_COMPILE_WARNING_AS_ERROR=OFF '-DCMAKE_CXX_FLAGS_RELEASE=-O3 -DNDEBUG' "$@"
    say "building $targets in build/$dir"
    # shellcheck disable=SC2086
    quietly "$dir/build.log" cmake --build "build/$dir" --target $targets ||
        fail "could not build $targets (build/$dir/build.log)"
}

# measure FILTER PROGRAM...: a program's cases that match, if there are any, into the next part of micro.json.
measure() {
    local filter=$1
    shift
    "$@" --benchmark_list_tests --benchmark_filter="$filter" >/dev/null 2>&1 || return 0
    parts+=("$out/micro-part-${#parts[@]}.json")
    rm -f "${parts[-1]}"
    "$@" --benchmark_filter="$filter" --benchmark_out="${parts[-1]}" --benchmark_out_format=json
}

micro() {
    install_packages libbenchmark-dev libopenblas-dev libtbb-dev libomp-dev clang++=clang python3=python3
    local targets="micro sgemm memory" others=() program core parts=()
    if [[ $(uname -m) == x86_64 ]]; then
        targets+=" micro_baseline"
        others+=("$out/bin/micro_baseline")
        if grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo; then
            targets+=" micro_avx2"
            others+=("$out/bin/micro_avx2")
        fi
    fi
    build benchmarks release "$targets"
    build benchmarks-clang clang micro -DSELFSAME_BENCHMARK_BUILD=clang
    others+=(build/benchmarks-clang/bin/micro)

    measure "$regex" "$out/bin/micro"
    # The other builds answer one question, so they run one size where nobody chose otherwise.
    for program in "${others[@]}"; do
        measure "${regex:-^ntxent_value_and_grad/N:4096/D:[0-9]+/threads:[0-9]+$}" "$program"
    done
    # The kernels that OpenBLAS picks for a processor are not always its best there, and some may not run at all.
    unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
    measure "$regex" "$out/bin/sgemm"
    if [[ $(uname -m) == x86_64 ]]; then
        for core in Haswell Zen SkylakeX Cooperlake; do
            measure "$regex" env "OPENBLAS_CORETYPE=$core" "$out/bin/sgemm" ||
                say "OpenBLAS's $core kernels do not run here"
        done
    fi

    [[ ${#parts[@]} -gt 0 ]] || fail "no benchmark matches '$regex'"
    python3 - "$out/micro.json" "${parts[@]}" <<'PYTHON'
# One file: the context of the first program and the cases of all, of the same name the first.
import json, sys

whole, cases = None, {}
for part in sys.argv[2:]:
    try:
        with open(part) as file:
            read = json.load(file)
    except (OSError, ValueError):  # of a program that did not come to its end
        continue
    whole = whole or read
    for case in read["benchmarks"]:
        cases.setdefault(case["name"], case)
whole["benchmarks"] = list(cases.values())
with open(sys.argv[1], "w") as file:
    json.dump(whole, file, indent=1)
    file.write("\n")
PYTHON
    rm -f "${parts[@]}"
    say "results: $out/micro.json"
    if [[ -z $regex ]]; then
        say "extra memory of ntxent_value_and_grad, D = 128"
        "$out/bin/memory"
    fi
}

peers() {
    # The newest torch is a download of 3 GB, most of it for GPUs; one that is in build/venv already stays.
    install_packages python3-dev
    python_packages torch torchvision numpy pot opencv-python-headless albumentationsx kornia nvidia-dali-cuda120
    build benchmarks release peers
    local comparison parts=()
    export TORCHINDUCTOR_CACHE_DIR=$root/build/torchinductor
    unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
    for comparison in benchmarks/peers/*.py; do
        parts+=("$out/$(basename "$comparison" .py).peers.json")
        build/venv/bin/python "$comparison" --bridge "$out/bin/libpeers.so" --json "${parts[-1]}" --filter "$regex"
    done
    build/venv/bin/python - "$out/peers.json" "${parts[@]}" <<'PYTHON' || fail "no comparison matches '$regex'"
import json, sys

rows = []
for part in sys.argv[2:]:
    with open(part) as file:
        rows += json.load(file)
with open(sys.argv[1], "w") as file:
    json.dump(rows, file, indent=1)
    file.write("\n")
sys.exit(not rows)
PYTHON
    rm -f "${parts[@]}"
    say "results: $out/peers.json"
}

gpu() {
    nvidia-smi -L >/dev/null 2>&1 || fail "no GPU is in reach"
    command -v nvcc >/dev/null || fail "nvcc is not installed"
    local python=python3
    if ! python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
        python_packages torch numpy
        python=build/venv/bin/python
    fi
    install_packages libgtest-dev
    build benchmarks release "gpu gpu_tests" -DSELFSAME_BUILD_TESTS=ON -DSELFSAME_GPU=ON
    "$python" tests/interop/gpu/run.py
    "$python" benchmarks/gpu/record.py "$out/bin/libgpu.so" --tests "$out/bin/gpu_tests" --only "$regex" \
        --out "$out/gpu.json"
    say "results: $out/gpu.json"
}

# One line of the table: NAME FILE. The best of three, since other work on the machine only ever adds.
compile_row() {
    local best=999999 lines started took
    lines=$("${compiler[@]}" -E -P "$2" | wc -l)
    for _ in 1 2 3; do
        started=$(date +%s%3N)
        "${compiler[@]}" -c -o "$out/compile.o" "$2" || fail "$1 does not compile"
        took=$(($(date +%s%3N) - started))
        best=$((took < best ? took : best))
    done
    printf '%-44s %5d.%02d %9d\n' "$1" $((best / 1000)) $((best % 1000 / 10)) "$lines"
    rows+=("$(printf '{"name": "%s", "seconds": %d.%03d, "lines": %d}' "$1" $((best / 1000)) $((best % 1000)) "$lines")")
}

compile() {
    local header rows=()
    compiler=(g++ -std=c++20 -O2 -fopenmp -DTHRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_OMP -Iinclude "-I$cccl")
    printf '%-44s %8s %9s\n' "header alone (g++ -O2)" seconds lines
    while read -r header; do
        [[ $header =~ ${regex:-.} ]] || continue
        printf '#include <%s>\n' "$header" >"$out/compile.cpp"
        compile_row "$header" "$out/compile.cpp"
    done < <(cd include && find selfsame -name '*.hpp' -not -path '*/interop/*' | LC_ALL=C sort)
    # And a unit with one call of value_and_grad.
    if [[ call_value_and_grad =~ ${regex:-.} ]]; then
        compile_row "call_value_and_grad" benchmarks/compile/value_and_grad.cpp
    fi
    rm -f "$out/compile.cpp" "$out/compile.o"
    [[ ${#rows[@]} -gt 0 ]] || fail "no header matches '$regex'"
    {
        printf '['
        printf '\n %s' "${rows[0]}"
        if [[ ${#rows[@]} -gt 1 ]]; then
            printf ',\n %s' "${rows[@]:1}"
        fi
        printf '\n]\n'
    } >"$out/compile.json"
    say "results: $out/compile.json"
}

case $job in
micro | peers | compile | gpu)
    install_toolchain
    "$job"
    ;;
*) usage ;;
esac
