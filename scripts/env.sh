#!/bin/sh
# Makes .venv, or brings it up to date, from requirements.txt. `make env` calls it in the checkout.
set -eu
python="${PYTHON:-python3}"
venv=.venv/bin/python

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

make_with_uv() {
    uv venv --quiet --seed --python '>=3.11,<3.14' .venv
}

make_with_python() {
    command -v "$python" >/dev/null || stop "There is no $python. Install Python 3.11, 3.12 or 3.13."
    "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
        stop "$("$python" --version) will not do: the course needs Python 3.11, 3.12 or 3.13." \
            "If you have one under another name:  make env PYTHON=python3.12"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        stop "This Python cannot make environments. On Debian and Ubuntu:  apt install python3-venv"
    "$python" -m venv .venv
}

if ! [ -x "$venv" ]; then
    echo "Making .venv; the first time this downloads about 3 GB, most of it torch with CUDA."
    if command -v uv >/dev/null; then make_with_uv; else make_with_python; fi
fi

# uv installs in a fraction of pip's time; where it cannot be had, pip does the same.
uv_pin=$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.txt)
if command -v uv >/dev/null; then
    set -- uv pip install --python "$venv"
elif "$venv" -m pip install --quiet --disable-pip-version-check "$uv_pin"; then
    set -- "$venv" -m uv pip install --python "$venv"
else
    set -- "$venv" -m pip install --disable-pip-version-check
fi
"$@" --requirement requirements.txt

# A linked .venv belongs to another checkout, whose course_lib must stay the one that is installed.
[ -L .venv ] || "$@" --no-deps --no-build-isolation --editable .
touch .venv/.ready
