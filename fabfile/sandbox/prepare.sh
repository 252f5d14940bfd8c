# Run by mmdebstrap with the finished root as $1: makes it the disk that every host starts from.
set -eu
root=$1

# What a machine has for itself alone does not belong in an image.
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/machine-id" "$root/etc/hostname"
rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap"
: >"$root/etc/resolv.conf"

# Nothing starts by itself; what is enabled later starts with the host.
for link in "$root"/etc/rc2.d/S??*; do
  [ -e "$link" ] || continue
  service=${link##*/S??}
  chroot "$root" update-rc.d "$service" disable
done

# A login that has to use sudo. '*' is no password, yet not the '!' for which sshd takes an account as locked.
chroot "$root" useradd --create-home --shell /bin/bash --password '*' admin
if [ -d "$root/etc/sudoers.d" ]; then
  echo 'admin ALL=(ALL:ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/admin"
  chmod 0440 "$root/etc/sudoers.d/admin"
fi
