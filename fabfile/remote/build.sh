# Builds CPython 2.7 and the pinned packages into $PREFIX, phase by phase, as root.
#
# Set before: HOME_DIR ID PREFIX BUILD ARCHIVE PROOF. $1 is the source tarball, $2 a tar of the
# packages with their lock. A finished phase leaves a stamp and is not repeated, so a build that was
# stopped anywhere goes on where it was. The runtime counts only once $PREFIX/.complete is there.

umask 022
tarball=$1 packages=$2 now=
python=$PREFIX/bin/python2.7
mkdir -p "$BUILD/tmp" "$HOME_DIR/runtimes" "$HOME_DIR/archives"
# The host's /tmp may be small, or forbid executables.
TMPDIR=$BUILD/tmp HOME=$BUILD; export TMPDIR HOME
cd "$BUILD"

# A build whose connection was lost may take its time to die: two in one folder would ruin both.
exec 9>"$BUILD/lock"
if command -v flock >/dev/null; then
  flock -w 60 9 || { echo "another build is still running in $BUILD"; exit 1; }
fi

phase() {
  if [ -e "$BUILD/$1.done" ]; then return 0; fi
  now=$1
  say "Python: $2"
  ( "$1" ) >"$BUILD/$1.log" 2>&1
  # A power cut may leave the stamp of a phase only where all that the phase has written is there too.
  sync # makes nothing
  : >"$BUILD/$1.done"
  now=
}

trap 'status=$?
  if [ -n "$now" ]; then echo "The end of $BUILD/$now.log:"; tail -n 30 "$BUILD/$now.log"; fi
  exit "$status"' EXIT

unpack() {
  rm -rf source wheels
  mkdir source wheels
  tar -xzf "$tarball" --no-same-owner --strip-components=1 -C source
  tar -xf "$packages" --no-same-owner -C wheels
}

patch_source() {
  # setup.py can't parse the version in OpenSSL 3's header, and then leaves _hashlib out.
  sed -i 's/^        openssl_ver = 0$/        openssl_ver = 0x30000000/
    s/openssl_ver = eval(m.group(1))/openssl_ver = int(m.group(1), 16)/' source/setup.py
  # Nobody runs these here; without them the installation copies and compiles half as much.
  rm -rf source/Lib/test source/Lib/*/test source/Lib/*/tests source/Lib/idlelib source/Lib/ensurepip/_bundled
}

configure() {
  cd source
  # Upstream's flags without -g: debugging information would only be stripped again.
  ./configure --prefix="$PREFIX" --enable-unicode=ucs4 --with-ensurepip=no \
    OPT='-DNDEBUG -fwrapv -O3 -Wall -Wstrict-prototypes'
}

compile() {
  cd source
  # A compiler that was killed leaves half an object, which make would take for a whole one.
  find . -type f \( -name '*.o' -o -name '*.so' -o -name python -o -name pgen \) \
    ! -exec nm {} \; -exec rm -f {} \; >/dev/null
  find . -name '*.a' -exec rm -f {} +
  make -j"$(getconf _NPROCESSORS_ONLN)"
}

install_python() {
  rm -rf "$PREFIX"
  make -C source install
}

install_packages() {
  site=$PREFIX/lib/python2.7/site-packages
  rm -rf "$site"
  mkdir "$site"
  # Source packages are built with exactly these three.
  grep -E '^(pip|setuptools|wheel)==' wheels/requirements.txt >tools.txt
  pip_install "$(echo wheels/pip-*.whl)/pip" tools.txt
  pip_install "$site/pip" wheels/requirements.txt
  "$python" -m pip check
}

pip_install() {
  PIP_CONFIG_FILE=/dev/null "$python" -s "$1" --isolated install --no-index --find-links wheels --require-hashes \
    --no-deps --no-build-isolation --no-cache-dir --disable-pip-version-check --no-python-version-warning -r "$2"
}

slim() {
  cd "$PREFIX"
  rm -rf share lib/libpython2.7.a lib/python2.7/config/libpython2.7.a bin/idle
  find lib \( -name '*.py[co]' -o -name '*.exe' -o -path '*/lib-tk/*' \) -type f -exec rm -f {} +
  find lib -type d \( -name test -o -name tests \) -prune -exec rm -rf {} +
  find bin lib -type f \( -name '*.so' -o -name '*.so.*' -o -name python2.7 \) -exec strip --strip-unneeded {} +
  # Root owns the tree: its users could not keep the bytecode that Python compiles at each start.
  # Some packages carry files for Python 3 only, which don't compile.
  "$python" -m compileall -q lib || :
}

prove() {
  "$python" -sEB -c "$PROOF"
  cd "$PREFIX"
  find . -type f ! -name .manifest ! -name .complete -print0 | sort -z | xargs -0 sha256sum >.manifest
}

pack() {
  rm -rf source wheels
  tar -C "$HOME_DIR/runtimes" --numeric-owner --owner=0 --group=0 --exclude=.complete -czf "$ARCHIVE.part" "$ID"
  sync
  mv "$ARCHIVE.part" "$ARCHIVE"
}

phase unpack 'unpack the source'
phase patch_source 'adapt it to OpenSSL 3'
phase configure 'configure'
phase compile 'compile'
phase install_python 'install'
phase install_packages 'install the pinned packages'
phase slim 'strip what is not needed'
phase prove 'try what was installed'
phase pack 'pack it for the other hosts'
: >"$PREFIX/.complete"
cd /
# Together with what an abandoned build of another runtime has left.
rm -rf "$HOME_DIR/build"
