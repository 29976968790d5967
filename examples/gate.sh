#!/bin/sh
# Judge a stored audit, which is checked first: sh examples/gate.sh RUN "CONDITION" ["CONDITION" ...]
# Leaves gate.xml (JUnit) and gate.sarif (SARIF 2.1.0) in the present folder, and exits with the code of the gate:
# 0 pass, 1 fail, 2 a condition is wrong, 5 the run is not what was written.
set -u
run=$1
shift
for condition in "$@"; do
    set -- "$@" --fail-if "$condition"
    shift
done
exec cfsearch gate "$run" "$@" --format junit --out gate.xml --format sarif --out gate.sarif --format text
