# NFS servers of the tests' own: nfs-ganesha on loopback with ports of its own, volumes on its exports, and a proxy that
# breaks what is between. Beside mount.bash, after make_workspace.
#
#   start_nfs_server                 EXPORTS below WORK; NFS_PORT and MOUNT_PORT; HOST is the export "open" from now on
#   kill_nfs_server, restart_nfs_server, freeze_nfs_server, thaw_nfs_server, stop_nfs_server
#   make_nfs_volume NAME K=V…        a directory of an export, a PersistentVolume and a claim on it
#   one_more_server NAME ADDRESS     of the same exports; all these words mean it from then on
#   start_fault_proxy                PROXY_PORT and PROXY_MOUNT_PORT; `fault COMMAND…` tells it what to do
#   spawn_interruptible COMMAND…     as spawn, to be ended by Ctrl-C; is_waiting PID: in the kernel, for an answer of ours
#
# Exports: open (no_root_squash), root_squash, all_squash, read_only, secure (wants ports below 1024).

# shellcheck disable=SC2034  # what the tests read

NFS_ADDRESS=127.0.0.1

start_nfs_server() {
  EXPORTS=$WORK/exports
  GANESHA=$WORK/ganesha
  HOST=$EXPORTS/open
  mkdir -p "$GANESHA" "$EXPORTS"/{open,root_squash,all_squash,read_only,secure}
  chmod 0777 "$EXPORTS"/*
  read -r NFS_PORT MOUNT_PORT < <(free_ports 2)
  make_no_port_mapper
  run_nfs_server
}

# free_ports COUNT: ports that nobody listens on, above those that clients are given.
free_ports() {
  python3 - "$1" <<'PYTHON'
import socket, sys
sockets = [socket.socket(socket.AF_INET6) for _ in range(int(sys.argv[1]))]
for each in sockets:
    each.bind(("::", 0))
print(*(each.getsockname()[1] for each in sockets))
PYTHON
}

# A server of NFSv3 registers with the host's port mapper, or ends. The tests' ones tell nobody.
make_no_port_mapper() {
  gcc -shared -fPIC -o "$GANESHA/no_port_mapper.so" -x c - <<'C'
#include <stdbool.h>
bool rpcb_set(unsigned program, unsigned version, const void* network, const void* address) { return true; }
bool rpcb_unset(unsigned program, unsigned version, const void* network) { return true; }
C
}

nfs_export() { # ID NAME SQUASH ACCESS PRIVILEGED_PORT
  cat <<CONF
EXPORT {
  Export_Id = $1; Path = $EXPORTS/$2; Pseudo = /$2; Protocols = 3; Transports = TCP; SecType = sys;
  Squash = $3; Access_Type = $4; PrivilegedPort = $5; Anonymous_Uid = 65534; Anonymous_Gid = 65534;
  MaxRead = 1048576; MaxWrite = 1048576; PrefRead = 1048576; PrefWrite = 1048576; FSAL { Name = VFS; }
}
CONF
}

run_nfs_server() {
  {
    cat <<CONF
NFS_CORE_PARAM {
  NFS_Port = $NFS_PORT; MNT_Port = $MOUNT_PORT; Protocols = 3; Bind_addr = $NFS_ADDRESS;
  Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; fsid_device = true;
  Plugins_Dir = $(dirname "$(find /usr/lib -name libfsalvfs.so | head -n 1)");
}
NFSV4 { Graceless = true; RecoveryBackend = fs; RecoveryRoot = $GANESHA/recovery; }
NFS_KRB5 { Active_krb5 = false; }
LOG { Default_Log_Level = EVENT; }
CONF
    nfs_export 1 open No_Root_Squash RW false
    nfs_export 2 root_squash Root_Squash RW false
    nfs_export 3 all_squash All_Squash RW false
    nfs_export 4 read_only No_Root_Squash RO false
    nfs_export 5 secure No_Root_Squash RW true
  } >"$GANESHA/conf"
  mkdir -p "$GANESHA/recovery"
  LD_PRELOAD=$GANESHA/no_port_mapper.so setsid ganesha.nfsd -F -f "$GANESHA/conf" -L "$GANESHA/log" \
    -p "$GANESHA/pid.file" >>"$GANESHA/output" 2>&1 </dev/null 3>&- 4>&- &
  NFS_SERVER=$!
  disown
  echo "$NFS_SERVER" >"$GANESHA/pid"
  echo "-$NFS_SERVER" >>"$WORK/pids"
  wait_for 20 nfs_server_answers
}

rpc_null() { # PORT PROGRAM
  local network=tcp address=$NFS_ADDRESS
  if [ "$NFS_ADDRESS" = ::1 ]; then network=tcp6; fi
  limit 2 rpcinfo -T "$network" -a "$address.$(($1 / 256)).$(($1 % 256))" "$2" 3
}
nfs_server_answers() {
  kill -0 "$NFS_SERVER" || return
  rpc_null "$NFS_PORT" 100003 && rpc_null "$MOUNT_PORT" 100005
}

kill_nfs_server() {
  kill -9 "$NFS_SERVER"
  wait_for 5 is_gone "$NFS_SERVER"
}
restart_nfs_server() { run_nfs_server; }
freeze_nfs_server() { stop_process "$NFS_SERVER"; }
thaw_nfs_server() { kill -CONT "$NFS_SERVER"; }
thaw_all_nfs_servers() {
  local file
  for file in "$WORK"/ganesha*/pid; do kill -CONT "$(cat "$file")" 2>/dev/null || true; done
}
stop_nfs_server() {
  kill -CONT "$NFS_SERVER" 2>/dev/null || return 0
  kill -TERM "$NFS_SERVER"
  wait_for 10 is_gone "$NFS_SERVER" || kill -9 "$NFS_SERVER"
}
one_more_server() {
  NFS_ADDRESS=$2 GANESHA=$WORK/ganesha.$1
  mkdir "$GANESHA"
  read -r NFS_PORT MOUNT_PORT < <(free_ports 2)
  make_no_port_mapper
  run_nfs_server
}
# Servers of a setup_file are found by the tests of the file by this.
nfs_server_of_file() {
  GANESHA=$WORK/ganesha EXPORTS=$WORK/exports
  NFS_SERVER=$(cat "$GANESHA/pid")
}

# make_nfs_volume NAME [export=open] [namespace=] [capacity=] [modes=A,B] [path=] [server=] [options=a,b] [readOnly=]
#   [policy=] [port=] [mountPort=] [directory=no]: options beside the ports.
make_nfs_volume() {
  local name=$1 export=open namespace=default capacity=2Gi modes=ReadWriteOnce path='' server=$NFS_ADDRESS options=''
  local readOnly=false policy=Retain port=$NFS_PORT mountPort=$MOUNT_PORT directory=yes
  shift
  if [ $# -gt 0 ]; then local "$@"; fi
  : "${path:=$EXPORTS/$export/$name}"
  if [ "$directory" = yes ]; then
    mkdir -p "$path"
    chmod 0777 "$path"
  fi
  cat >"$WORK/.$name.yaml" <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-$name}
spec:
  capacity: {storage: $capacity}
  accessModes: [$modes]
  persistentVolumeReclaimPolicy: $policy
  storageClassName: manual
  claimRef: {namespace: $namespace, name: $name}
  mountOptions: [port=$port, mountport=$mountPort${options:+, $options}]
  nfs: {server: "$server", path: "$path", readOnly: $readOnly}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: $name, namespace: $namespace}
spec:
  accessModes: [$modes]
  storageClassName: manual
  resources: {requests: {storage: $capacity}}
YAML
  mv "$WORK/.$name.yaml" "$MANIFESTS/$name.yaml"
}

# A proxy before both ports of the server.
start_fault_proxy() {
  read -r PROXY_PORT PROXY_MOUNT_PORT < <(free_ports 2)
  PROXY=$WORK/proxy
  spawn python3 "$BATS_TEST_DIRNAME/fault_proxy.py" "$PROXY" "$PROXY_PORT:$NFS_ADDRESS:$NFS_PORT" \
    "$PROXY_MOUNT_PORT:$NFS_ADDRESS:$MOUNT_PORT"
  wait_for 30 fault pass
}
fault() { limit 10 python3 "$BATS_TEST_DIRNAME/fault_proxy.py" --tell "$PROXY" "$@"; }

# With SIGINT as a terminal sends it: bats' background commands ignore it.
spawn_interruptible() { spawn env --default-signal=INT,QUIT "$@"; }
is_waiting() { grep -q request_wait_answer "/proc/$1/stack"; }

# serve_silent_ones K=V…: the claims "killed", "frozen" and "unreachable", each on a server of its own, the last one by the proxy; NFS_PORT
# and MOUNT_PORT then lead to that server with nothing between.
SILENT=(killed frozen unreachable)
serve_silent_ones() {
  make_nfs_volume frozen "$@"
  FROZEN=$NFS_SERVER
  one_more_server second 127.0.0.1
  make_nfs_volume killed "$@"
  KILLED=$NFS_SERVER KILLED_SERVER=("$GANESHA" "$NFS_PORT" "$MOUNT_PORT")
  # Known by another address, too.
  one_more_server third 127.0.0.2
  start_fault_proxy
  make_nfs_volume unreachable server=127.0.0.1 port="$PROXY_PORT" mountPort="$PROXY_MOUNT_PORT" "$@"
  mount_claims "${SILENT[@]}"
  limit 20 ls "${SILENT[@]/#/$MNT/default/}"
}
fall_silent() {
  kill -9 "$KILLED"
  wait_for 5 is_gone "$KILLED"
  stop_process "$FROZEN"
  fault stall
}
answer_again() {
  fault pass
  kill -CONT "$FROZEN"
  # shellcheck disable=SC2034  # nfs.bash's
  NFS_ADDRESS=127.0.0.1 GANESHA=${KILLED_SERVER[0]} NFS_PORT=${KILLED_SERVER[1]} MOUNT_PORT=${KILLED_SERVER[2]}
  run_nfs_server
}
