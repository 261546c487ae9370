#!/bin/sh
# Make the virtual environment "$1" of this project, or bring it up to date. Does nothing when it already is.
#
# The stamp is written last and holds a checksum of what the installation depends on, so an interrupted one is
# done again, and a file that was merely touched is not a reason to install.
set -eu

venv=$1
stamp=$venv/.installed
inputs="pyproject.toml constraints.txt"

for file in $inputs; do
    [ -f "$file" ] || { echo "There is no $file here; run make in the root of the repository." >&2; exit 1; }
done
wanted="$(pwd) $(cat $inputs | cksum)"
[ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ] && [ -x "$venv/bin/python" ] && exit 0

is_new_enough() {
    "$1" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if ! { [ -x "$venv/bin/python" ] && is_new_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version; } >/dev/null 2>&1
then
    # 3.11 first: the pinned versions were tried together there.
    for python in python3.11 python3.12 python3.13 python3 python python3.14; do
        if is_new_enough "$python"; then found=$python; break; fi
    done
    if [ -z "${found:-}" ]; then
        echo "This needs Python 3.11 or newer with its venv module, and none was found on the PATH." >&2
        exit 1
    fi
    echo "Making the environment $venv with $("$found" --version)"
    rm -rf "$venv"
    "$found" -m venv "$venv"
fi

rm -f "$stamp"
echo "Installing into $venv (minutes the first time; large downloads)"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-compile -c constraints.txt -e '.[book,test]'
# pip compiles on one core, and a quarter of it is tests of packages, which nobody runs. Some packages carry files for
# other Pythons, which cannot be compiled and are not needed.
"$venv/bin/python" -m compileall -qq -j 0 -x '/tests?/' "$venv/lib" >/dev/null 2>&1 || true
printf '%s\n' "$wanted" > "$stamp.new"
mv "$stamp.new" "$stamp"
echo "Installed."
