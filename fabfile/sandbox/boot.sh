# Boots a host: $1 is its folder, $2 its name, $3 its cgroup (empty: it runs no systemd). Runs in namespaces of its
# own, so every mount made here goes away with the host's last process.
set -eu
here=$(dirname "$(readlink -f "$0")")
cd "$1"
root=$1/root

mount -t overlay overlay -o lowerdir=base,upperdir=upper,workdir=work "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755,size=64m tmpfs "$root/run"
mkdir "$root/run/sshd" "$root/run/lock"
chmod 1777 "$root/run/lock"

mount -t tmpfs -o mode=755,size=1m tmpfs "$root/dev"
for node in null zero full random urandom tty; do
  : >"$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"

hostname "$2"
if [ -n "$3" ]; then
  # Entered before its namespace is made, so that the cgroup is the root of it.
  echo "$$" >"$3/cgroup.procs"
  exec unshare --cgroup bash "$here/pivot.sh" "$root" "container=$2" /lib/systemd/systemd --log-target=console
fi
exec bash "$here/pivot.sh" "$root" HOME=/ /usr/sbin/init
