"""The one place that lets root into directories that others can write: no link of theirs is followed there.

Shell functions for hosts that may have no Python yet; remote/ground.py holds the same rule for those that have one.

A path is walked by one `cd` and one question to the kernel about its end: another answer than the path itself
means a link on the way. A link is followed only where root alone could have put it. The directory that is entered is
named `.`, and the things in it `./name`: so nobody can put something else in its place meanwhile.
"""

from __future__ import annotations

from ..errors import Problem
from .base import Found
from .shell import cmd, lines

KIND = """\
# kind PATH: the kind of the thing there, in words.
kind() {
  if [ -L "$1" ]; then echo "a link"; elif [ -d "$1" ]; then echo "a directory"; elif [ -f "$1" ]; then echo "a file"
  elif [ -p "$1" ]; then echo "a FIFO"; elif [ -S "$1" ]; then echo "a socket"; else echo "a device"
  fi
}
"""

GROUND = (
    KIND
    + """\
# into DIR: that very directory is the working directory now, and there was no link on the way.
into() { cd -P -- "$1" 2>/dev/null && [ "$(readlink /proc/self/cwd)" = "$1" ]; }
# alone: only the user that runs this can change the content of the working directory.
alone() {
  set -- $(stat -c '%u %g %a' . /proc/self/) || return 1
  [ "$1" = "$4" ] || return 1
  case $3 in *[2367]) return 1 ;; *[2367]?) [ "$2" = "$5" ] ;; esac
}
# straight PATH: $way is the path without the links that only root can have made.
straight() {
  way= rest=$1 links=0
  cd / && alone && ours=yes || ours=
  while [ -n "$rest" ]; do
    rest=${rest#/}; name=${rest%%/*}; rest=${rest#"$name"}
    case $name in ''|.) continue ;; ..) way=${way%/*}; cd "${way:-/}"; continue ;; esac
    if [ "$ours" ] && [ -L "./$name" ] && [ "$links" -lt 20 ]; then
      links=$((links+1)); to=$(readlink "./$name")
      case $to in /*) way=; cd / ;; esac
      rest=/$to$rest
    else
      way=$way/$name
      [ -z "$ours" ] || { into "$way" && alone; } || ours=
    fi
  done
}
# reach PATH: the deepest directory of the path that is there is the working directory, $left is the missing rest.
# Fails where something else is in the way: $odd names it.
reach() {
  left= odd=
  into "$1" && return
  straight "$1"
  until into "${way:-/}"; do left=${way##*/}${left:+/$left}; way=${way%/*}; done
  next=${left%%/*}
  [ -z "$next" ] || { [ ! -e "./$next" ] && [ ! -L "./$next" ]; } || { odd=$(stands "$way/$next" "./$next"); false; }
}
# enter DIR: it is the working directory; anything else ends the script with a sentence.
enter() {
  reach "$1" || { echo "$odd"; exit 1; }
  [ -z "$left" ] || { echo "${target:-$1}: its directory $1 is missing"; exit 1; }
}
squashed="root may not go there, or not write: it is on NFS that squashes root, or read-only;"
squashed="$squashed name a path on a local disk in hosts.toml"
# stands PATH NAME: a sentence about something that is no directory.
stands() {
  if [ -L "$2" ]; then
    echo "$1: a link stands there, where others than root can put one, so root does not follow it; move it away," \\
      "or name the real path in hosts.toml"
  elif [ -d "$2" ] && [ ! -x "$2" ]; then echo "$1: $squashed"
  elif [ -d "$2" ]; then echo "$1: it was replaced while it was looked at; see who does that, then run this again"
  else echo "$1: $(kind "$2") is in the way, where a directory belongs; move it away"
  fi
}
"""
)

SOUND = """\
# sound PATH: root alone can have put it there, or changed it; $real is its real path.
sound() {
  real=$(readlink -f "$1") || return 1
  way=$real
  set --
  while [ "$way" ]; do set -- "$@" "$way"; way=${way%/*}; done
  ! stat -c '%u %A' / "$@" | grep -qv '^0 ........-'
}
"""

MAKE = """\
# make_way PATH MODE: the directory is there, and the working directory; missing parents are made as root's, 0755.
make_way() {
  reach "$1" || { echo "$odd"; exit 1; }
  while [ -n "$left" ]; do
    name=${left%%/*} mode=0755; left=${left#"$name"}; left=${left#/}
    [ -n "$left" ] || mode=$2
    here=$(pwd -P)
    mkdir -m "$mode" "./$name"
    into "${here%/}/$name" || { stands "${here%/}/$name" "./$name"; exit 1; }
  done
}
# give_here USER GROUP MODE: the working directory becomes theirs, if it is root's or that user's already.
give_here() {
  set -- "$1:$2" "$3" "$(stat -c %u .)" "$(id -u "$1")"
  [ "$3" = 0 ] || [ "$3" = "$4" ] || { echo "$(pwd -P): it belongs to $(stat -c %U .)"; exit 1; }
  chown "$1" .
  chmod "$2" .
}
"""
"""On top of GROUND: functions that make directories, and give them away."""


def at(folder: str, script: str) -> str:
    """A script that runs another one in a directory in which only root can change anything; refuses any other one."""
    return lines(GROUND, cmd("enter", folder), f"alone || {{ echo {cmd(folder)}: {_SHARED}; exit 1; }}", script)


def looked_at(folder: str, script: str) -> str:
    """The same for a script that only looks: an odd thing gives an ODD line, a missing directory nothing."""
    return lines(
        GROUND,
        f'{cmd("reach", folder)} || {{ echo "{ODD}$odd"; exit 0; }}',
        '[ -z "$left" ] || exit 0',
        f"alone || {{ echo {ODD}{cmd(folder)}: {_SHARED}; exit 0; }}",
        script,
    )


def refuse_odd(found: Found) -> None:
    """Raises Problem with the sentence of a probe that met something root must not touch."""
    head, odd, text = found.text.partition(ODD)
    if odd and (not head or head.endswith("\n")):
        raise Problem(f"nothing was changed here: {text.strip()}")


ODD = "odd: "
_SHARED = '"others than root can change what is in it; name a path in hosts.toml whose directory is root\'s alone"'
