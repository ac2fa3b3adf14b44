#!/usr/bin/env bash
# Starts a SLURM of one node on this machine from Debian's slurm-wlm and munge, as root. Its state lies in a folder:
# cluster.sh start DIR, then SLURM_CONF=DIR/slurm.conf sbatch …, then cluster.sh stop DIR.
set -eu
folder=$(realpath -m "$2")
if [ "$1" = stop ]; then
  for name in slurmctld slurmd; do
    if [ -f "$folder/$name.pid" ]; then kill "$(cat "$folder/$name.pid")" || true; fi
  done
  for _ in $(seq 50); do
    pgrep -f "$folder/slurm.conf" > /dev/null || exit 0
    sleep 0.2
  done
  exit 1
fi
for name in slurmctld slurmd munged; do
  command -v "$name" > /dev/null || { apt-get update -qq; apt-get install -qq -y --no-install-recommends slurm-wlm munge; }
done
pgrep -x munged > /dev/null || { mkdir -p /run/munge; chown munge: /run/munge; runuser -u munge -- munged; }
mkdir -p "$folder/state" "$folder/spool"
host=$(hostname -s)
cat > "$folder/slurm.conf" <<EOF
ClusterName=fae
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1
ReturnToService=2
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
EOF
slurmctld -f "$folder/slurm.conf"
slurmd -f "$folder/slurm.conf"
for _ in $(seq 30); do
  [ "$(SLURM_CONF=$folder/slurm.conf sinfo --noheader --format=%T)" = idle ] && exit
  sleep 1
done
echo "SLURM did not start; see $folder/slurmctld.log" >&2
exit 1
