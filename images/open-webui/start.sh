#!/usr/bin/env bash
# The official image starts with `bash start.sh` in this folder; the Python package brings its own command instead.
exec open-webui serve --host "${HOST:-0.0.0.0}" --port "${PORT:-8080}"
