#!/bin/sh
# Installs the pins of one image role into the virtual environment that VIRTUAL_ENV names; both Dockerfiles call it.
#   ACCELERATOR=cpu|cuda requirements/install.sh ROLE
# With cuda, <role>-cuda.txt is taken where the role has one; a role without one is the same on both.
# TORCH_BACKEND is the build of PyTorch that uv looks for (cpu); empty where find-links or an index of your own offer it.
# Nothing but the pins is installed: a package that they lack is missing, and the test of the images fails.
set -eu
role=$1
pins="$(dirname "$0")/$role.txt"
case "${ACCELERATOR:-cpu}" in
  cpu) ;;
  cuda) if [ -f "${pins%.txt}-cuda.txt" ]; then pins="${pins%.txt}-cuda.txt"; fi ;;
  *) echo "ACCELERATOR=$ACCELERATOR is not offered: use cpu or cuda." >&2; exit 2 ;;
esac
if [ ! -f "$pins" ]; then echo "There are no pins $pins: \`make lock\` writes one file per role." >&2; exit 2; fi
backend=${TORCH_BACKEND-cpu}
# PyTorch's CUDA build is the one that needs triton; it is the registry's own build, so no other index is asked.
if [ -z "$backend" ] || grep -q '^triton==' "$pins" || ! grep -q '^torch==' "$pins"; then
  exec uv pip install --no-deps --requirements "$pins"
fi
exec uv pip install --no-deps --torch-backend "$backend" --requirements "$pins"
