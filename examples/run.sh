#!/usr/bin/env bash
# examples/run.sh [NAME] [OPTION...]
#
# Installs what is missing, builds the example NAME (a folder beside this script; `pretrain` by default) and runs it
# from the project's root with the options.
set -euo pipefail
# shellcheck source=cmake/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/setup.sh"

name=pretrain
if [[ $# -gt 0 && $1 != -* ]]; then
    name=$1
    shift
fi
if [[ ! -f examples/$name/CMakeLists.txt ]]; then
    shopt -s nullglob
    known=(examples/*/CMakeLists.txt)
    known=("${known[@]#examples/}")
    printf '%s\n' "error: no example is called '$name'; there are: ${known[*]%/CMakeLists.txt}" >&2
    exit 2
fi

install_toolchain
mapfile -t packages < <(packages_of "examples/$name/packages.txt")
install_packages ${packages[@]+"${packages[@]}"}

configure examples release -DSELFSAME_BUILD_TESTS=OFF -DSELFSAME_BUILD_BENCHMARKS=OFF \
    -DCMAKE_COMPILE_WARNING_AS_ERROR=OFF '-DCMAKE_CXX_FLAGS_RELEASE=-O3 -DNDEBUG'
quietly examples/build.log cmake --build build/examples --target "$name" ||
    fail "could not build the example '$name' (build/examples/build.log)"
prepare_runtimes
exec "build/examples/bin/$name" "$@"
