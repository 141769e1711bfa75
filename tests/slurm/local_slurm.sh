#!/usr/bin/env bash
# A real Slurm on this machine for the tests: one controller, one node, no privileges of its own.
#
# usage: local_slurm.sh install | start FOLDER | stop FOLDER
# install: with apt, as root. start: writes its files into FOLDER and prints the path of slurm.conf;
# the daemons run as the current user on ports of their own.
set -euo pipefail

install() {
    command -v slurmctld >/dev/null 2>&1 && command -v munged >/dev/null 2>&1 && exit 0
    [ "$(id -u)" = 0 ] || { echo "Slurm is not installed, and apt needs root" >&2; exit 3; }
    command -v apt-get >/dev/null 2>&1 || { echo "Slurm is not installed, no apt here" >&2; exit 3; }
    {
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            slurm-wlm munge libpmix2
    } >&2 || { echo "apt cannot install Slurm here" >&2; exit 3; }
}

start() {
    local folder=$1 base=$((20000 + $$ % 10000)) pmix
    mkdir -p "$folder"/{state,spool,munge}
    chmod 755 "$folder"
    chmod 700 "$folder/munge"
    # The plugin opens the name without a version.
    for pmix in /usr/lib/*/pmix2/lib; do
        [ -e "$pmix/libpmix.so.2" ] && [ ! -e "$pmix/libpmix.so" ] &&
            ln -sf libpmix.so.2 "$pmix/libpmix.so" 2>/dev/null || true
    done
    head -c 1024 /dev/urandom >"$folder/munge/key"
    chmod 600 "$folder/munge/key"
    munged --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" \
        --seed-file="$folder/munge/seed" --force
    cat >"$folder/slurm.conf" <<END
ClusterName=tests
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
CredType=cred/munge
SlurmctldPort=$base
SlurmdPort=$((base + 1))
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=pmix
KillOnBadExit=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
ReturnToService=2
MailProg=/bin/true
KillWait=4
MinJobAge=300
NodeName=$(hostname) NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
    export SLURM_CONF=$folder/slurm.conf
    slurmctld -c
    slurmd -N "$(hostname)" 2>/dev/null || slurmd
    for _ in $(seq 20); do
        if timeout 20 srun -Q true 2>/dev/null; then
            echo "$SLURM_CONF"
            return
        fi
        sleep 0.5
    done
    echo "Slurm does not start; see $folder/*.log" >&2
    tail -n 5 "$folder"/*.log >&2 || true
    stop "$folder"
    exit 4
}

stop() {
    local pid
    for pid in slurmd.pid slurmctld.pid munge/pid; do
        [ -f "$1/$pid" ] && kill "$(cat "$1/$pid")" 2>/dev/null || true
    done
}

case ${1:-} in
    install) install ;;
    start) start "$2" ;;
    stop) stop "$2" ;;
    *)
        echo "usage: local_slurm.sh install | start FOLDER | stop FOLDER" >&2
        exit 2
        ;;
esac
