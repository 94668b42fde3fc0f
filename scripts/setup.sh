#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Installs what Tessera needs. Called by `make setup`; safe to call again.
#
#   setup.sh all              a virtual environment in .venv with Tessera in it, and the system's packages
#   setup.sh system-packages  the system's packages alone (QEMU)
#
# PYTHON names the interpreter to use; otherwise the first Python 3.11 or later found on PATH.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif ! command -v sudo >/dev/null; then
        return 1
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@" # without a terminal nobody can type a password
    fi
}

# apt_install PACKAGE: true if it is installed at the end. The package lists are fetched only if the first try fails.
apt_install() {
    command -v apt-get >/dev/null && as_root true 2>/dev/null || return 1
    say "installing the system package $1"
    for try in 1 2; do
        if [ "$try" = 2 ]; then as_root apt-get update >/dev/null 2>&1 || return 1; fi
        if as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y \
            --no-install-recommends "$1" >/dev/null 2>&1; then
            return 0
        fi
    done
    return 1
}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# A virtual environment needs `ensurepip`, which Debian and Ubuntu put into a package of its own.
can_make_venv() { "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; }

candidates() { printf '%s\n' ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; }

# find_python TEST...: the first candidate that passes every test.
find_python() {
    for candidate in $(candidates); do
        for test in "$@"; do
            "$test" "$candidate" || continue 2
        done
        printf '%s\n' "$candidate"
        return 0
    done
    return 1
}

choose_python() {
    find_python new_enough can_make_venv && return 0
    if ! python=$(find_python new_enough); then
        apt_install python3 || true
        python=$(find_python new_enough) ||
            fail "Python 3.11 or later is needed and was not found; install it, or name it: make setup PYTHON=/path/to/python3"
    fi
    if ! can_make_venv "$python"; then
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        apt_install "$package" || apt_install python3-venv || true
        can_make_venv "$python" ||
            fail "a system package is missing and could not be installed: python3-venv (as root: apt-get install python3-venv)"
    fi
    printf '%s\n' "$python"
}

install_qemu() {
    command -v qemu-system-riscv64 >/dev/null && return 0
    # Debian 12 and Ubuntu 24.04 keep RISC-V in qemu-system-misc; later releases have qemu-system-riscv.
    for package in qemu-system-misc qemu-system-riscv; do
        apt_install "$package" || continue
        command -v qemu-system-riscv64 >/dev/null && return 0
    done
    fail "a system package is missing and could not be installed: qemu-system-misc (as root: apt-get install qemu-system-misc; on later releases qemu-system-riscv)"
}

install_python_packages() {
    # An environment is tied to its path: one that was moved, copied or half made is made again.
    if [ -e .venv/.setup-done ] && [ "$(cat .venv/.setup-done)" != "$(pwd)" ]; then rm -rf .venv; fi
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        python=$(choose_python)
        rm -rf .venv
        "$python" -m venv .venv
    fi
    new_enough .venv/bin/python ||
        fail ".venv has a Python older than 3.11; remove it (make distclean) and run make setup again"
    say "installing Python packages into .venv (needs the network; about 200 MB the first time)"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --editable '.[dev]' ||
        fail "pip could not install the packages named above; is the network reachable?"
}

case "${1:-all}" in
all)
    # The packages first: where QEMU is missing and cannot be installed, everything else is in place.
    install_python_packages
    install_qemu
    say "done: .venv/bin/tessera"
    ;;
system-packages) install_qemu ;;
*) fail "unknown request '$1' (all, system-packages)" ;;
esac
