#!/usr/bin/env bash
# A Slurm of two nodes on this one machine, for tests: Debian's slurm-wlm and munge, as root.
#
#   tests/slurm.sh start FOLDER     state and logs go to FOLDER, the configuration to where Slurm looks for it
#   tests/slurm.sh stop FOLDER
#
# Refuses to run where there is a Slurm already.
set -euo pipefail

action=$1 folder=$(mkdir -p "$2" && cd "$2" && pwd)
host=$(hostname -s)
conf=/etc/slurm/slurm.conf # jobs look here, whatever the environment says

start() {
    if [ -e "$conf" ]; then
        echo "$conf is there already: this machine has a Slurm." >&2
        return 1
    fi
    mkdir -p "$(dirname "$conf")"
    cat >"$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$folder/munge/socket
SlurmUser=root
SlurmdUser=root
SlurmctldPort=27817
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MinJobAge=3600
InactiveLimit=0
KillWait=5
SlurmctldTimeout=60
SlurmdTimeout=60
JobRequeue=1
NodeName=one,two NodeHostname=$host NodeAddr=127.0.0.1 Port=[27818-27819] CPUs=2 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=one,two Default=YES MaxTime=INFINITE State=UP
CONF
    ln -s "$folder/slurm.conf" "$conf"
    mkdir -p "$folder/munge" "$folder/state"
    chmod 700 "$folder/munge"
    head -c 1024 /dev/urandom >"$folder/munge/key"
    chmod 400 "$folder/munge/key"
    # Root may run it, which munged would otherwise warn of.
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
    slurmctld -c
    for node in one two; do slurmd -N "$node"; done
    for _ in $(seq 60); do
        [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = 2 ] && return
        sleep 0.5
    done
    echo "The two nodes did not come up:" >&2
    tail -n 5 "$folder"/*.log >&2
    return 1
}

stop() {
    scancel --signal=KILL --full --user="$(id -un)" 2>/dev/null || true
    for _ in $(seq 20); do
        [ -z "$(squeue -h 2>/dev/null)" ] && break
        sleep 0.5
    done
    for file in "$folder"/slurmd-*.pid "$folder/slurmctld.pid" "$folder/munge/pid"; do
        [ -s "$file" ] && kill "$(cat "$file")" 2>/dev/null || true
    done
    [ "$(readlink -f "$conf")" = "$folder/slurm.conf" ] && rm -f "$conf"
}

"$action"
