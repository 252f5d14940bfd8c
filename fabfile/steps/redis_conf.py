"""Redis's configuration on a host: found, read and written where Redis's own user may have put anything.

Debian's /etc/redis belongs to user `redis`. Whatever lies in such a directory is read with the rights of the user to
whom the directory belongs. Root writes in a directory of its own in it, which nobody else can enter or move elsewhere,
and what is done there gets its name by a rename, or by a hard link of what has a name there already: neither follows
a link, nor changes a file that was there before.
"""

from __future__ import annotations

from .files import keep_foreign, kept_suffix, look_at, stat_line, swap_in
from .ground import GROUND, ODD
from .shell import Command, as_user_within, lines

# A configuration may be left from a server that is gone.
FIND = """\
if command -v redis-server >/dev/null; then
  cli=redis-cli product=$(redis-server --version)
  set -- /etc/redis/redis.conf /etc/redis.conf /etc/valkey/valkey.conf "$@"
else
  cli=valkey-cli product=$(valkey-server --version 2>/dev/null) || product=Redis
  set -- /etc/valkey/valkey.conf /etc/redis/redis.conf /etc/redis.conf "$@"
fi
version=${product#* v=}
version=${version%% *}
product=${product%% *}
cli=$(command -v "$cli" || command -v redis-cli || command -v valkey-cli) || cli=false
main=
for one in "$1" "$2" "$3"; do
  [ ! -f "$one" ] || { main=$one; break; }
done
shift 3
"""

_SECONDS = 10
"""A look takes no longer, whatever its user has put in its way."""
_WHO = Command('"$who"')

# $odd says why root may not work there; $main and $own are the files, $who is the user that may change their directory.
_PLACE = f"""\
{GROUND}
own= who= odd=
if [ "$main" ]; then
  straight "$main"
  main=$way base=${{way##*/}} folder=${{way%/*}}
  case $main in
    /etc/*/*) own=$folder/pyspider.conf ;;
    *) own=${{main%.conf}}-pyspider.conf ;;
  esac
  if ! into "${{folder:-/}}" || [ -L "./$base" ]; then
    odd="$main: a link stands there, or on the way there, where others than root can put one, so root does not"
    odd="$odd follow it; put the file itself in its place"
  else
    who=$(stat -c %U .)
    alone || [ "$who" != root ] || {{
      odd="$folder: it belongs to root, but others can change what is in it, so root does not work there; run there,"
      odd="$odd as root: chmod go-w $folder"
    }}
  fi
fi
"""

_INSIDE = f"""\
echo "main $({stat_line(Command('"./$base"'))})"
(
{look_at(Command('"./${own##*/}"'), foreign=True)}
) | sed 's/^/own /'
[ -f "./$base" ] && [ ! -L "./$base" ] || exit 0
grep -qxF "include $own" "./$base" && echo included
words='s/^requirepass +([^ ]+)$/\\1/p; s/^user [^ ]+ on >([^ ]+) .*/\\1/p'
[ ! -f "./${{own##*/}}" ] || [ -L "./${{own##*/}}" ] || sed -nE "$words" "./${{own##*/}}" | while read -r one; do
  printf 'password %s\\n' "$(printf %s "$one" | sha256sum)"
done
sed -nE 's/^ *port +([0-9]+).*/port \\1/p' "./$base"
exit 0
"""

_LOOK = f"""\
[ -z "$odd" ] || {{ echo "{ODD}$odd"; exit 0; }}
ports=
[ -z "$main" ] || {{
  echo "path $main"
  export base own
  seen=$({as_user_within(_SECONDS, _WHO, _INSIDE)} 2>&1) || {{
    echo "{ODD}$main: it can't be looked at as $who, to whom its directory belongs: $seen"
    exit 0
  }}
  printf '%s\\n' "$seen"
  ports=$(printf '%s\\n' "$seen" | sed -n 's/^port \\([0-9]*\\)$/\\1/p')
}}
cd /
"""

# The name is fixed, and begins with a dot: the next run goes on in what a stopped one has left.
_STAGE = ".pyspider-fabfile"
_READ = as_user_within(_SECONDS, _WHO, '[ -f "./$reads" ] && [ ! -L "./$reads" ] && exec cat "./$reads"')
_BEGIN = f"""\
[ -z "$odd" ] || {{ echo "$odd"; exit 1; }}
# read_there NAME: the content of that file, as far as the user of its directory may read it.
read_there() {{ ( reads=$1; export reads; into "${{folder:-/}}" && {_READ} ); }}
stage={_STAGE}
[ -e "./$stage" ] || [ -L "./$stage" ] || mkdir -m 0700 "./$stage"
(
into "$folder/$stage" && alone || {{ echo "$folder/$stage: something of $who's is in the way; remove it"; exit 1; }}
umask 077
rm -f ./was ./main ./own
owner=$(stat -c %u:%g "../$base")"""
_READ_OWN = """\
target=../${own##*/}
[ ! -d "$target" ] || [ -L "$target" ] || { echo "$own: a directory is in the way; move it away"; exit 1; }
read_there "${own##*/}" >./was 2>/dev/null || :"""
_INCLUDE = """\
mv -fT ./own "$target"
read_there "$base" >./was || { echo "$main: $who, to whom its directory belongs, can't read it"; exit 1; }
grep -qxF "include $own" ./was || {
  kept=../$base@KEPT@
  [ -e "$kept" ] || [ -L "$kept" ] || ln -T "../$base" "$kept"
  # No more than the bits of rights: whoever made the file may have given it others.
  mode=000$(stat -c %a "../$base")
  cat ./was >./main
  printf '\\n# Made by `fab bootstrap`; must stay the last setting of this file.\\ninclude %s\\n' "$own" >>./main
  chown -h "$owner" ./main
  chmod "${mode#"${mode%???}"}" ./main
  mv -fT ./main "../$base"
}
rm -f ./was
)
rmdir "./$stage" 2>/dev/null || :
cd /"""


def look() -> str:
    """A script that tells of the main file (`main`, `path`, `port`), of the one it includes (`own`), and `included`.

    `password` is the digest of each that the latter holds.

    Ends with an odd line where root may not work. `$cli`, `$product`, `$version`, `$main`, `$own` and `$ports` are set.
    """
    return FIND + 'echo "product $product"\necho "version $version"\n' + _PLACE + _LOOK


def write() -> str:
    """A script that puts its first payload beside the main file, with that one's owner, and includes it at its end.

    `$cli` is set afterwards.
    """
    absent = '[ -n "$main" ] || { echo "this host has no configuration of Redis"; exit 1; }'
    put = swap_in("./own", Command('"$owner"'), 0o640)
    keep = keep_foreign("./was", "ln -T")
    include = _INCLUDE.replace("@KEPT@", kept_suffix())
    return FIND + lines(absent, _PLACE + _BEGIN, put, _READ_OWN, keep + include)
