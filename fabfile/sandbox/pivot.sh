# The last of a host's boot: mounts /sys and makes $1 the root; the other words are for `env`: variables, then the init.
set -eu
root=$1
shift

mount -t sysfs sysfs "$root/sys"
case $1 in
  container=*)
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    # systemd would set the kernel of this machine; a host has only its network for itself.
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
    mount -o remount,bind,ro "$root/proc/sys"
    ;;
esac
mount -o remount,bind,ro "$root/sys"

cd "$root"
pivot_root . .
umount -l .
cd /
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
