# shellcheck shell=bash
# Sourced by the run.sh scripts: brings what a job needs onto a Debian or Ubuntu machine, and configures builds.
# Only what is missing is installed: Debian packages by apt-get, Python packages into build/venv.

script=$(readlink -f "$0")
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
cd "$root" || exit 1
export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"

say() { printf '%s\n' "== $*"; }

fail() {
    printf '%s\n' "error: $*" >&2
    exit 1
}

# Ends with the script's opening comment, which is its usage.
usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$script" >&2
    exit 2
}

# Runs a command, its output kept in a log under build/ that is shown only if the command fails.
quietly() {
    local log=$root/build/$1
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        return 1
    fi
}

# install_packages ITEM...: Debian packages; `COMMAND=PACKAGE` is the package that brings a command, wanted only without it.
install_packages() {
    local missing=() item package
    for item in "$@"; do
        package=${item#*=}
        if [[ $item == *=* ]] && command -v "${item%%=*}" >/dev/null; then
            continue
        fi
        if [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
            missing+=("$package")
        fi
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0

    command -v apt-get >/dev/null || fail "this needs what Debian calls ${missing[*]}, and there is no apt-get to install it"
    local as_root=()
    if [[ $EUID -ne 0 ]]; then
        command -v sudo >/dev/null || fail "neither root nor sudo: have these packages installed first: ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    # An old list of packages may do where the update fails.
    quietly apt-update.log "${as_root[@]}" apt-get update || true
    quietly apt-install.log "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=600 install --yes --no-install-recommends "${missing[@]}" ||
        fail "apt-get could not install ${missing[*]} (build/apt-install.log)"
}

# Debian packages that an example needs, listed in a file of its own; prints those of all files given.
packages_of() {
    local file
    for file in "$@"; do
        if [[ -f $file ]]; then
            sed '/^ *\(#\|$\)/d' "$file"
        fi
    done
}

# python_packages NAME...: into build/venv, which any of them creates.
python_packages() {
    local python=$root/build/venv/bin/python missing=() name
    if [[ ! -x $python ]] || ! "$python" -m pip --version >/dev/null 2>&1; then
        python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
        local base=python3
        "$base" -c 'import ensurepip, venv' 2>/dev/null || base=/usr/bin/python3
        quietly venv.log "$base" -m venv --clear "$root/build/venv" || fail "could not create build/venv (build/venv.log)"
    fi
    for name in "$@"; do
        "$python" -c "import importlib.metadata, sys; importlib.metadata.version(sys.argv[1])" "$name" 2>/dev/null ||
            missing+=("$name")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    say "installing ${missing[*]} into build/venv"
    quietly pip.log "$python" -m pip install --disable-pip-version-check "${missing[@]}" ||
        fail "pip could not install ${missing[*]} (build/pip.log)"
}

# Sets `cccl` to the folder of CCCL's headers: those of this machine, else a Python package's.
find_cccl() {
    local search=(cmake -P cmake/selfsame-dependencies.cmake)
    if [[ -n ${SELFSAME_CCCL_INCLUDE_DIR:-} ]]; then
        search=(cmake "-DSELFSAME_CCCL_INCLUDE_DIR=$SELFSAME_CCCL_INCLUDE_DIR" -P cmake/selfsame-dependencies.cmake)
    fi
    if cccl=$("${search[@]}" 2>/dev/null); then
        return
    fi
    [[ -z ${SELFSAME_CCCL_INCLUDE_DIR:-} ]] ||
        fail "SELFSAME_CCCL_INCLUDE_DIR=$SELFSAME_CCCL_INCLUDE_DIR holds no headers of CCCL 3.0 or newer"
    python_packages nvidia-cuda-cccl
    cccl=$(PATH=$root/build/venv/bin:$PATH "${search[@]}" 2>/dev/null) ||
        fail "no headers of CCCL 3.0 or newer: neither a CUDA toolkit nor nvidia-cuda-cccl in build/venv has them"
}

# The toolchain that every job needs.
install_toolchain() {
    install_packages g++=g++ cmake=cmake ninja=ninja-build
    find_cccl
}

# For programs with LibTorch. Threads that spin while they wait take the cores from the other runtime in the program,
# and from other programs. OpenBLAS of Debian 12 takes a processor that it does not know for one without AVX: several
# times slower.
prepare_runtimes() {
    export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
    if [[ -z ${OPENBLAS_CORETYPE:-} ]] && grep -qsw avx2 /proc/cpuinfo; then
        export OPENBLAS_CORETYPE=Haswell
    fi
}

# configure DIR PRESET [OPTION...]: into build/DIR.
configure() {
    local dir=$1 preset=$2
    shift 2
    local options=(-DSELFSAME_CCCL_INCLUDE_DIR="$cccl")
    if command -v ccache >/dev/null; then
        options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    fi
    quietly "$dir/configure.log" cmake --preset "$preset" -B "build/$dir" "${options[@]}" "$@" ||
        fail "could not configure build/$dir (build/$dir/configure.log)"
}
