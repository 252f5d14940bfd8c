# Sets what the build can't find out by itself. Beside the recipe in build.sh: where nothing has to be set, the same
# runtime is made as ever, and elsewhere there was none.
#
# CC, where the compiler can't read the source of Python 2.7: its declarations of `false` are errors since C23, which
# newer compilers take for granted.

# compiles COMPILER...: it takes such a declaration.
compiles() { echo 'typedef enum { false, true } answer; answer no = false;' | "$@" -x c -c -o /dev/null - 2>/dev/null; }
if [ -z "${CC-}" ]; then
  for one in gcc cc; do
    command -v "$one" >/dev/null || continue
    if ! compiles "$one" && compiles "$one" -std=gnu17; then CC="$one -std=gnu17"; export CC; fi
    break
  done
fi

# PYCURL_SSL_LIBRARY, where pycurl can't find out: it looks for libcurl's TLS library among the flags for a static
# libcurl, which the distributions of RPM do not have. With another one than libcurl's, its import fails.
if command -v curl-config >/dev/null && [ -z "${PYCURL_SSL_LIBRARY-}" ]; then
  case " $(curl-config --libs 2>/dev/null) $(curl-config --static-libs 2>/dev/null) " in
    *' -lssl '* | *' -lssl3 '* | *' -lgnutls '* | *' -lwolfssl '* | *' -lmbedtls '*) ;;
    *)
      # `--without-nss` is no `--with-nss`.
      case $(curl-config --configure 2>/dev/null) in
        *--with-nss*) PYCURL_SSL_LIBRARY=nss ;;
        *--with-gnutls*) PYCURL_SSL_LIBRARY=gnutls ;;
        *) PYCURL_SSL_LIBRARY=openssl ;;
      esac
      export PYCURL_SSL_LIBRARY
      ;;
  esac
fi
