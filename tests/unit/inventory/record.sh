#!/bin/sh
# Records what Ansible itself makes of every case. Needs ansible-inventory on PATH:
#   python3 -m venv /tmp/ansible && /tmp/ansible/bin/pip install ansible-core==2.19.14
#   PATH=/tmp/ansible/bin:$PATH sh tests/unit/inventory/record.sh
set -eu
cd "$(dirname "$0")/cases"
for case in */; do
    name=${case%/}
    source=$(ls -d "$name"/inventory "$name"/hosts* 2>/dev/null | head -n 1)
    ANSIBLE_LOCALHOST_WARNING=false ansible-inventory -i "$source" --list >"$name.expected.json"
done
ansible-inventory --version | head -n 1 >recorded-with.txt
