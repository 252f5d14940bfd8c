"""The far side of a channel: the shell script that takes messages and answers them (protocol.py)."""

from __future__ import annotations

from functools import cache

from ..steps.shell import cmd, in_any_shell
from .gate import GATE, SHELL, gated

# Whatever runs on this side's behalf is in the receiver's process group, so that it can be ended as a whole. sshd makes
# each command the leader of a group; behind sudo, or in another sshd, the receiver has to become one.
_LEADER = """\
{ read -r _ _ _ _ g _ </proc/$$/stat; } 2>/dev/null
[ "$g" = $$ ] || exec setsid /bin/sh -c "$1" sh
eval "$1"
"""

# - Every fork and exec here is paid for by every host at every run: hence builtins where they will do.
# - A look writes to no disk: its payloads are small and stay in memory ($F); those of changes do not ($K).
# - The name of one folder does not tell that of the other, so that nobody is there first; what is there is not used.
# - `p` gives a probe a pipe of its own, since others parse what it prints. An action's output goes straight out:
#   it may start a daemon that keeps its output open, and nobody would see the end of that pipe.
# - The end of stdin means that the control machine has read the last answer, or is gone. Its last answer may be
#   read before this side has seen its own script end: so that has a moment before it counts as running.
# - A cut cable brings no end of stdin: `watch` ends what was begun after five seconds without a beat and
#   without a byte of an upload.
# - In a terminal a lost connection is a HUP.
# - `su` waits two seconds between the TERM that it passes on and its own KILL: three here.
# - `@ask` is a question for a sign of life, where the connection itself can't be asked for one.
# - A line that is no message and no beat is a password that sudo did not ask for.
_RECEIVER = """\
umask 077
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
exec 3>&1
B= W= X= P= Y= SHOW=yes
say() { printf '\\n%s say %s %s\\n' "$M" "$I" "$*" >&3; }
p() { I=$1; o=$("i$I" 2>&1); printf '\\n%s out %s\\n%s\\n%s end %s %s\\n' "$M" "$I" "$o" "$M" "$I" "$?"; }
a() {
  I=$1
  printf '\\n%s out %s\\n' "$M" "$I"
  ( set -e; "i$I" ) 2>&1
  r=$?
  printf '\\n%s end %s %s\\n' "$M" "$I" "$r"
}
running() { [ -n "$B" ] && read -r s <"/proc/$B/stat" && case ${s##*) } in [ZX]*) false ;; esac; } 2>/dev/null
clear() { [ -z "$W" ] || kill "$W"; [ -z "$P" ] || rm -rf "$K" "$F"; } >/dev/null 2>&1
end() { trap : TERM; kill -TERM 0; sleep 3; rm -rf "$K" "$F"; kill -KILL 0; } >/dev/null 2>&1
watch() {
  m=0 l=
  trap 'm=0' USR1
  while [ "$m" -lt 5 ]; do
    m=$((m+1))
    sleep 1
    n=
    for d in "$K" "$F"; do [ ! -d "$d" ] || n=$n$(ls -l "$d"); done
    [ "$n" = "$l" ] || { l=$n; m=0; }
  done
  end
}
places() {
  X=$M
  K=${TMPDIR:-/tmp}/fab.${M#@????????}
  f=${M%????????}
  F=${TMPDIR:-/tmp}/fab.${f#@}
  for t in /dev/shm /run; do [ ! -d "$t" ] || [ ! -w "$t" ] || F=$t/fab.${f#@}; done
}
trap clear EXIT
trap 'running && end; exit 129' HUP
trap 'exit 129' INT TERM
trap '' USR1
while read -r go M kind n sizes; do
  case $go in
    go) ;;
    end) end ;;
    @ask) printf '\n%s alive\n' "$M" >&3; continue ;;
    *) [ -z "$W" ] || kill -USR1 "$W" 2>/dev/null; continue ;;
  esac
  printf '\\n%s here\\n' "$M"
  [ -n "$X" ] || places
  if [ "$kind" != look ] && [ -z "$W" ]; then
    watch </dev/null >/dev/null 2>&1 3>&1 &
    W=$!
  fi
  S=
  case $n in
    L*) n=${n#L}; while [ "$n" -gt 0 ]; do IFS= read -r s || exit 74; S="$S$s
"; n=$((n-1)); done ;;
    *) S=$(head -c "$n"); [ "${#S}" -eq "$n" ] || exit 74 ;;
  esac
  D=$F
  [ "$kind" != change ] || D=$K
  n=0
  for s in $sizes; do
    P=yes
    case $Y in *" $D "*) ;; *) mkdir -m 700 "$D" || exit 73; Y="$Y $D " ;; esac
    n=$((n+1))
    head -c "$s" >"$D/$n" || exit 73
  done
  read -r s && [ "$s" = "$M" ] || exit 74
  { trap - USR1; eval "$S"; } </dev/null &
  B=$!
done
n=0
while running && [ "$n" -lt 200 ]; do n=$((n+1)); done
running && sleep 1 && running && end
:
"""


@cache
def receiver(sudo: tuple[str, ...] = (), terminal: bool = False) -> str:
    """The one command line of every exchange; holds no data of its own. It expects the gate's ward first."""
    if sudo:
        return gated(*SHELL, _LEADER, "sh", _RECEIVER, sudo=sudo, terminal=terminal)
    return str(in_any_shell(f"set -- {cmd(_RECEIVER)}\n{GATE}{_LEADER}"))
