#!/usr/bin/env bash
# A SLURM cluster of one node for tests: slurmctld, slurmd and munged on loopback, four pretended GPUs; needs root.
#
#   slurm.sh up DIR [PID]      start it with all its state in DIR, or share the one that runs; prints "started" or "shared"
#   slurm.sh down DIR [PID]    give it up; it stops once nobody who asked for it is alive
#
# PID is the process that uses the cluster; without one, the cluster stays until `down DIR`. Needs the packages
# slurm-wlm and munge. A configuration in /etc/slurm that is not this cluster's is left alone.
set -euo pipefail

NAME=aurorascope-test
CONF=/etc/slurm/slurm.conf
# uname and not `hostname -s`, which fails where the name does not resolve.
HOST=$(uname -n | cut -d. -f1)

die() { echo "slurm.sh: $*" >&2; exit 1; }

# The folder of the cluster that /etc/slurm names, empty where there is none.
state_folder() {
  [ -e "$CONF" ] || [ -L "$CONF" ] || return 0
  [ -L "$CONF" ] || die "$CONF is not this script's; the tests need a machine without a SLURM of its own"
  # A link to nothing is what a test folder that was deleted leaves behind.
  [ ! -e "$CONF" ] || grep -qx "ClusterName=$NAME" "$CONF" || die "$CONF is of another cluster"
  dirname "$(readlink "$CONF")"
}

is_up() { timeout 5 sinfo --noheader --format %T 2>/dev/null | grep -qE '^(idle|mixed|allocated|completing)'; }

# Whether a process in a pid file is the daemon that wrote it; ids are given out again.
is_daemon() { [ -s "$1" ] && [ "$(cat "/proc/$(cat "$1" 2>/dev/null)/comm" 2>/dev/null)" = "$2" ]; }

write_config() {
  local dir=$1 bound=
  # Daemons bind to what the name resolves to, or to every address; clients call 127.0.0.1.
  if getent ahostsv4 "$HOST" | grep -q '^127\.0\.0\.1 '; then bound="CommunicationParameters=NoCtldInAddrAny,NoInAddrAny"; fi
  cat > "$dir/slurm.conf" <<END
ClusterName=$NAME
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
$bound
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
StateSaveLocation=$dir/slurmctld
SlurmdSpoolDir=$dir/slurmd
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
# Containers have no cgroups to hand out.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0
# From SIGTERM to SIGKILL, and how long squeue remembers a job that has ended.
KillWait=10
MinJobAge=3600
GresTypes=gpu
# More than this machine may have, so that several jobs run at once.
SlurmdParameters=config_overrides
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:h200:4 State=UNKNOWN
PartitionName=cpu Nodes=$HOST Default=YES MaxTime=1-00:00:00 State=UP
PartitionName=gpu Nodes=$HOST MaxTime=1-00:00:00 State=UP
END
  echo "NodeName=$HOST Name=gpu Type=h200 File=$dir/gpu[0-3]" > "$dir/gres.conf"
}

start() {
  local dir=$1 i
  command -v slurmctld slurmd munged mungekey >/dev/null || die "install the packages slurm-wlm and munge"
  [ "$(id -u)" = 0 ] || die "only root can start the daemons"
  mkdir -p "$dir"/{munge,users}
  # What an earlier cluster here left: its jobs must not come to life again.
  rm -rf "$dir/slurmctld" "$dir/slurmd" "$dir"/*.pid
  mkdir "$dir/slurmctld" "$dir/slurmd"
  chmod 755 "$dir" "$dir/munge"
  for i in 0 1 2 3; do [ -e "$dir/gpu$i" ] || mknod -m 666 "$dir/gpu$i" c 1 3; done
  # A munge of its own: the machine's, where it has one, is not touched.
  [ -e "$dir/munge/key" ] || mungekey --create --keyfile="$dir/munge/key"
  munged --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munged.pid" \
    --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" > "$dir/start.log" 2>&1
  write_config "$dir"
  # Not $SLURM_CONF: jobs of Snakemake lose every variable named SLURM_*.
  ln -sfn "$dir/slurm.conf" "$CONF"
  ln -sfn "$dir/gres.conf" /etc/slurm/gres.conf
  # Whoever reads what this script prints would wait for the daemons' end if they kept its output open.
  slurmctld >> "$dir/start.log" 2>&1
  slurmd >> "$dir/start.log" 2>&1
  for i in $(seq 100); do is_up && return; sleep 0.2; done
  tail -n 20 "$dir"/*.log >&2
  stop "$dir"
  die "the node did not come up within 20 s"
}

stop() {
  local dir=$1 daemon i
  # shellcheck disable=SC2046
  scancel $(squeue --noheader --format %i 2>/dev/null) 2>/dev/null || true
  for daemon in slurmd slurmctld munged; do
    is_daemon "$dir/$daemon.pid" "$daemon" || continue
    kill "$(cat "$dir/$daemon.pid")"
    for i in $(seq 50); do is_daemon "$dir/$daemon.pid" "$daemon" || break; sleep 0.1; done
  done
  rm -f "$CONF" /etc/slurm/gres.conf
}

# Whether somebody who asked for the cluster is alive; forgets the others.
is_used() {
  local lease used=1
  for lease in "$1"/users/*; do
    [ -e "$lease" ] || continue
    case ${lease##*/} in
      manual) used=0 ;;
      *) if kill -0 "${lease##*/}" 2>/dev/null; then used=0; else rm -f "$lease"; fi ;;
    esac
  done
  return $used
}

[ $# -ge 2 ] || die "usage: slurm.sh up|down DIR [PID]"
DIR=$(realpath -m "$2") USER_OF_IT=${3:-manual}
# One at a time: test processes ask for the cluster at the same moment. Daemons must not inherit the lock.
if [ -z "${AURORASCOPE_SLURM_LOCKED:-}" ]; then
  exec env AURORASCOPE_SLURM_LOCKED=1 flock --close /run/aurorascope-slurm.lock "$0" "$1" "$DIR" "$USER_OF_IT"
fi
unset AURORASCOPE_SLURM_LOCKED
RUNNING=$(state_folder)
case $1 in
  up)
    mkdir -p /etc/slurm
    if [ -n "$RUNNING" ] && is_up; then DIR=$RUNNING; echo shared; else
      [ -z "$RUNNING" ] || stop "$RUNNING"
      start "$DIR"
      echo started
    fi
    touch "$DIR/users/$USER_OF_IT"
    ;;
  down)
    [ -n "$RUNNING" ] || exit 0
    [ "$USER_OF_IT" != manual ] || [ "$RUNNING" = "$DIR" ] || die "the cluster that runs is that of $RUNNING"
    rm -f "$RUNNING/users/$USER_OF_IT"
    is_used "$RUNNING" || stop "$RUNNING"
    ;;
  *) die "usage: slurm.sh up|down DIR [PID]" ;;
esac
