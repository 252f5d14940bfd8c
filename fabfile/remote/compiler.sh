# Sets CC where the host's compiler can't read the source of Python 2.7 by itself.
#
# Its declarations of `false` are errors since C23, which newer compilers take for granted. Beside the recipe in build.sh:
# where nothing has to be set, the same runtime is made as ever, and elsewhere there was none.

# compiles COMPILER...: it takes such a declaration.
compiles() { echo 'typedef enum { false, true } answer; answer no = false;' | "$@" -x c -c -o /dev/null - 2>/dev/null; }
if [ -z "${CC-}" ]; then
  for one in gcc cc; do
    command -v "$one" >/dev/null || continue
    if ! compiles "$one" && compiles "$one" -std=gnu17; then CC="$one -std=gnu17"; export CC; fi
    break
  done
fi
