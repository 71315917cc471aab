#!/bin/sh
# Installs /build/requirements.lock into /opt/app, inside the build of an image. Two optional secrets bring the certificates
# and the package index of the building machine, and leave neither in a layer.
set -eu
if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi
if [ -s /run/secrets/uv ]; then export UV_CONFIG_FILE=/run/secrets/uv; fi
# The cache lies in the same layer until the end: wheels are unpacked once and hard-linked, where a cache mount would copy each file.
export UV_CACHE_DIR=/opt/uv-cache UV_LINK_MODE=hardlink UV_HTTP_TIMEOUT=300 UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
/build/uv venv --quiet --python /usr/bin/python3 /opt/app
/build/uv pip install --python /opt/app/bin/python --no-deps --requirement /build/requirements.lock
rm -rf "$UV_CACHE_DIR"
