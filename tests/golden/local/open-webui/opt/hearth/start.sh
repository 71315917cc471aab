#!/bin/sh
# Open WebUI switches sign-up off, in memory, in the run that makes the first account, whatever ENABLE_SIGNUP says.
# So the very first run only makes the account, out of everybody's reach; the second one serves.
set -eu
first_port=8079
if [ ! -e "$DATA_DIR/webui.db" ]; then
    HOST=127.0.0.1 PORT=$first_port bash start.sh &
    first=$!
    until curl -fsS -o /dev/null "http://127.0.0.1:$first_port/health" 2>/dev/null; do
        kill -0 "$first"
        sleep 0.5
    done
    kill "$first"
    wait "$first" || true
fi
exec bash start.sh
