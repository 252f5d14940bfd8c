# Keeps a host's power: $1 is its folder, $2 its name, $3 its cgroup (empty: it has none). Runs in its network alone.
# systemd's `reboot` ends the namespaces by SIGHUP and `poweroff` by SIGINT, so the kernel tells which it was.
here=${0%/*}
status=129
while [ "$status" = 129 ]; do
  [ -z "$3" ] || find "$3" -mindepth 1 -depth -type d -exec rmdir {} +
  unshare --mount --propagation private --uts --ipc --pid --fork --kill-child bash "$here/boot.sh" "$@"
  status=$?
done
# A host without power answers nobody.
ip link set eth0 down
