# Run by mmdebstrap after prepare.sh, with the finished root as $1: for hosts on which systemd runs.
set -eu
root=$1

chroot "$root" systemctl enable ssh
# What starts by itself would hold apt's lock, or work, at a moment that no test has chosen.
for timer in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all fstrim; do
  [ ! -e "$root/lib/systemd/system/$timer.timer" ] || chroot "$root" systemctl disable "$timer.timer"
done
# A host has the kernel of this machine: there is nothing to load.
chroot "$root" systemctl mask systemd-modules-load.service
