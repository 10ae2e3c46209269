#!/usr/bin/env bash
# tests/run.sh [--all | REGEX]
#
# Installs what is missing, builds and runs the tests that this machine can run; with REGEX those alone whose name
# matches, in the release build alone; with --all also in clang's optimized build. Ends with the reasons of skips and a
# count; the exit status is ctest's.
set -euo pipefail
# shellcheck source=cmake/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/setup.sh"
[[ $# -le 1 && (${1:-} != -* || $1 == --all) ]] || usage
regex=${1:-} all=""
if [[ $regex == --all ]]; then
    regex="" all=yes
fi

install_toolchain
install_packages libgtest-dev libgmock-dev librapidcheck-dev libtbb-dev libxtensor-dev libtorch-dev libopencv-dev \
    libboost-context-dev python3-numpy
mapfile -t packages < <(packages_of examples/*/packages.txt)
install_packages ${packages[@]+"${packages[@]}"}
if [[ -z $regex ]]; then
    install_packages clang++=clang libclang-rt-dev libomp-dev
fi

prepare_runtimes

status=0 passed=0 failed=0 skipped=0
reasons=$root/build/tests/skipped.txt
mkdir -p build/tests
: >"$reasons"

# Prints the reason of every skipped test in a log of ctest: what GTEST_SKIP was given, or a line "Skipped: reason".
skip_reasons() {
    awk '
        /^[0-9]+\/[0-9]+ Test: / { inside = 0; reason = ""; take = 0 }
        /^Output:$/              { inside = 1; next }
        /^<end of output>$/      { inside = 0 }
        inside && /^Skipped: /   { reason = substr($0, 10) }
        inside && take           { reason = $0; take = 0 }
        inside && /: Skipped$/   { take = 1 }
        /^Skip regular expression found|^SKIP_RETURN_CODE/ { print reason == "" ? "no reason given" : reason }
    ' "$1"
}

# run_tests DIR PRESET [OPTION...]: configures, builds and tests in build/DIR, and adds to the counts.
run_tests() {
    local dir=$1 started=$SECONDS result=0 counts
    say "$dir: building"
    configure "$@"
    # What can be built is tested, whatever else is broken.
    if ! cmake --build "build/$dir" -- -k 0; then
        say "$dir: the build failed"
        failed=$((failed + 1))
        status=1
    fi
    say "$dir: built in $((SECONDS - started)) s, testing"
    started=$SECONDS
    ctest --test-dir "build/$dir" --output-on-failure --parallel "$CMAKE_BUILD_PARALLEL_LEVEL" ${regex:+-R "$regex"} |
        tee "build/$dir/ctest.log" || result=$?
    [[ $status -ne 0 ]] || status=$result
    counts=$(awk '
        /^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
            if (/ Passed +[0-9.]+ sec/) p++; else if (/\*\*\*Skipped +[0-9.]+ sec/) s++; else f++
        }
        END { print p + 0, f + 0, s + 0 }' "build/$dir/ctest.log")
    # Failed, and yet no test that did: ctest itself could not do its work.
    if [[ $result -ne 0 && $(cut -d' ' -f2 <<<"$counts") -eq 0 ]]; then
        counts=$(awk '{ print $1, 1, $3 }' <<<"$counts")
    fi
    say "$dir: tested in $((SECONDS - started)) s: passed, failed, skipped: $counts"
    read -r p f s <<<"$counts"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    skip_reasons "build/$dir/Testing/Temporary/LastTest.log" >>"$reasons"
}

# Units together are read once: a change builds more of them, a build of all takes less.
run_tests tests release -DSELFSAME_BUILD_BENCHMARKS=OFF -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=3
if [[ -n $regex && $((passed + failed + skipped)) -eq 0 ]]; then
    fail "no test matches '$regex'"
fi

# The unit tests again with another compiler, with its sanitizers, and for older instruction sets than this machine's.
if [[ -z $regex && $status -eq 0 ]]; then
    avx2="" oldest=""
    if [[ $(uname -m) == x86_64 ]]; then
        avx2=x86-64-v3 oldest=x86-64
    fi
    run_tests tests-asan-ubsan asan-ubsan -DSELFSAME_MARCH=$avx2 -DSELFSAME_CUDA=OFF
    run_tests tests-tsan tsan -DSELFSAME_MARCH=$oldest
    if [[ -n $all ]]; then
        run_tests tests-clang clang -DSELFSAME_BUILD_BENCHMARKS=OFF -DSELFSAME_BUILD_EXAMPLES=OFF -DSELFSAME_CUDA=OFF
    fi
fi

if [[ -s $reasons ]]; then
    say "skipped, and why:"
    sort "$reasons" | uniq -c | sort -rn
fi
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
