# openssl_version: prints the version of the OpenSSL that a build finds, by its header; where that is not there yet, of
# the command of the host's own. Prints nothing where neither is there, or it is another library, like LibreSSL.
openssl_version() {
  printf '#include <openssl/opensslv.h>\nOPENSSL_VERSION_TEXT\n' | ${CC:-gcc} -E - 2>/dev/null |
    sed -n 's/^"OpenSSL \([0-9.]*\).*/\1/p' | grep . ||
    openssl version 2>/dev/null | sed -n 's/^OpenSSL \([0-9.]*\).*/\1/p'
}
