# Makes a Debian host one of another family, as far as it goes: FAMILY is redhat or suse. Run as root; needs apt once.
# Its packages are small ones from a repository on the host; what belongs to Debian alone is out of reach afterwards.
set -eu
export DEBIAN_FRONTEND=noninteractive
case $FAMILY in redhat) tool=dnf; repos=/etc/yum.repos.d ;; *) tool=zypper; repos=/etc/zypp/repos.d ;; esac
apt-get -q update
apt-get -q install -y --no-install-recommends "$tool" rpm createrepo-c redis-tools

# Debian's rpm looks into the caller's home, dnf and zypper into the system's list.
mkdir -p /etc/rpm
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros

mkdir -p /srv/repo /srv/build "$repos"
cd /srv/build
cat >redis.conf <<'END'
bind 127.0.0.1
port 6379
daemonize yes
dir /var/lib/redis
END
cat >redis.init <<'END'
#!/bin/sh
# chkconfig: - 85 15
# description: a store for keys and values
case $1 in
  start) redis-server /etc/redis.conf ;;
  stop) pkill -x redis-server; while pgrep -x redis-server >/dev/null; do sleep 0.1; done ;;
  restart) "$0" stop; "$0" start ;;
  status) pgrep -x redis-server >/dev/null ;;
esac
END
# redis-tools brings the server's program under another name.
cp "$(command -v redis-check-rdb)" redis-server
{
  cat <<'END'
Name: redis
Version: 6.2
Release: 1
Summary: a small package for a test
License: none
AutoReqProv: no
%define debug_package %{nil}
%define __strip /bin/true
%description
As the summary.
%install
mkdir -p %{buildroot}/usr/local/bin %{buildroot}/etc/init.d %{buildroot}/var/lib/redis
install -m 755 /srv/build/redis-server %{buildroot}/usr/local/bin/redis-server
install -m 644 /srv/build/redis.conf %{buildroot}/etc/redis.conf
install -m 755 /srv/build/redis.init %{buildroot}/etc/init.d/redis
%files
/usr/local/bin/redis-server
/etc/redis.conf
/etc/init.d/redis
/var/lib/redis
END
  for name in $NAMES; do
    printf '%%package -n %s\nSummary: a small package for a test\nAutoReqProv: no\n' "$name"
    printf '%%description -n %s\nAs the summary.\n%%files -n %s\n' "$name" "$name"
  done
} >redis.spec
rpmbuild --quiet -bb --define '_rpmdir /srv/repo' redis.spec
createrepo_c -q /srv/repo
printf '[local]\nname=local\nbaseurl=file:///srv/repo\nenabled=1\ngpgcheck=0\n' >"$repos/local.repo"

if [ "$FAMILY" = redhat ]; then
  printf 'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n' >/etc/os-release.new
  echo 'Rocky Linux release 9.4 (Blue Onyx)' >/etc/redhat-release
else
  printf 'NAME="openSUSE Leap"\nID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\n' >/etc/os-release.new
fi
mv /etc/os-release.new /etc/os-release
rm -f /etc/debian_version
# The family's own command for what starts at boot, by the words that a script says.
cat >/usr/sbin/chkconfig <<'END'
#!/bin/sh
case $1 in --add|--del) set -- "$2" "$1" ;; esac
set -- "$1" "$2" $(sed -n 's/^# chkconfig: [^ ]* \([0-9]*\) .*/\1/p' "/etc/init.d/$1")
rm -f /etc/rc[0-6].d/[SK][0-9][0-9]"$1"
[ "$2" != on ] || for level in 2 3 4 5; do ln -s "../init.d/$1" "/etc/rc$level.d/S$3$1"; done
END
chmod 755 /usr/sbin/chkconfig
for one in /usr/sbin/update-rc.d /usr/bin/apt-get /usr/bin/apt /usr/bin/dpkg-query /usr/bin/dpkg; do mv "$one" "$one.away"; done
