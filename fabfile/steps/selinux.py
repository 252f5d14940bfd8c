"""The contexts by which SELinux lets systemd run what is below /opt/pyspider, on hosts where it is on."""

from __future__ import annotations

LABEL = """\
selinux() { command -v restorecon >/dev/null && selinuxenabled 2>/dev/null; }
# relabel PATH...: they have the contexts of the host's policy; what came in an archive has those of its folder.
relabel() { selinux || return 0; restorecon -R "$@" || :; }
# programs DIR: what is in it are programs for the policy; elsewhere than in a `bin` they would be data.
programs() {
  selinux || return 0
  if command -v semanage >/dev/null; then
    semanage fcontext -a -t bin_t "$1(/.*)?" 2>/dev/null || semanage fcontext -m -t bin_t "$1(/.*)?" || :
    restorecon -R "$1" || :
  else chcon -R -t bin_t "$1" || :
  fi
}
"""
"""Shell functions that do nothing on hosts without SELinux; what it refuses all the same is told by doctor."""
