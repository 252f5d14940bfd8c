/* A file system that shows a directory as NFS with root_squash does: root is nobody there, others are themselves.

   squash DIRECTORY MOUNTPOINT, as root; it stays in the background. */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int base;

static const char *below(const char *path) {
  uid_t user = fuse_get_context()->uid;
  setfsgid(user ? fuse_get_context()->gid : 65534);
  setfsuid(user ? user : 65534);
  return path[1] ? path + 1 : ".";
}
#define DID(call) return (call) == -1 ? -errno : 0

static int s_getattr(const char *p, struct stat *st, struct fuse_file_info *f) {
  if (f) DID(fstat(f->fh, st));
  DID(fstatat(base, below(p), st, AT_SYMLINK_NOFOLLOW));
}
static int s_access(const char *p, int mode) { DID(faccessat(base, below(p), mode, AT_EACCESS)); }
static int s_readlink(const char *p, char *to, size_t size) {
  ssize_t n = readlinkat(base, below(p), to, size - 1);
  if (n == -1) return -errno;
  to[n] = 0;
  return 0;
}
static int s_readdir(const char *p, void *out, fuse_fill_dir_t fill, off_t o, struct fuse_file_info *f,
                     enum fuse_readdir_flags flags) {
  int fd = openat(base, below(p), O_RDONLY | O_DIRECTORY);
  DIR *dir = fd == -1 ? NULL : fdopendir(fd);
  struct dirent *one;
  if (!dir) return -errno;
  while ((one = readdir(dir))) fill(out, one->d_name, NULL, 0, 0);
  closedir(dir);
  return 0;
}
static int s_mknod(const char *p, mode_t mode, dev_t dev) { DID(mknodat(base, below(p), mode, dev)); }
static int s_mkdir(const char *p, mode_t mode) { DID(mkdirat(base, below(p), mode)); }
static int s_unlink(const char *p) { DID(unlinkat(base, below(p), 0)); }
static int s_rmdir(const char *p) { DID(unlinkat(base, below(p), AT_REMOVEDIR)); }
static int s_symlink(const char *to, const char *p) { DID(symlinkat(to, base, below(p))); }
static int s_rename(const char *a, const char *b, unsigned int flags) {
  DID(renameat2(base, below(a), base, below(b), flags));
}
static int s_link(const char *a, const char *b) { DID(linkat(base, below(a), base, below(b), 0)); }
static int s_chmod(const char *p, mode_t mode, struct fuse_file_info *f) { DID(fchmodat(base, below(p), mode, 0)); }
static int s_chown(const char *p, uid_t u, gid_t g, struct fuse_file_info *f) {
  DID(fchownat(base, below(p), u, g, AT_SYMLINK_NOFOLLOW));
}
static int s_utimens(const char *p, const struct timespec t[2], struct fuse_file_info *f) {
  DID(utimensat(base, below(p), t, AT_SYMLINK_NOFOLLOW));
}
static int s_truncate(const char *p, off_t size, struct fuse_file_info *f) {
  int fd = f ? (int)f->fh : openat(base, below(p), O_WRONLY), bad;
  if (fd == -1) return -errno;
  bad = ftruncate(fd, size) == -1 ? -errno : 0;
  if (!f) close(fd);
  return bad;
}
static int s_open(const char *p, struct fuse_file_info *f) {
  int fd = openat(base, below(p), f->flags & ~O_NOFOLLOW);
  f->fh = fd;
  return fd == -1 ? -errno : 0;
}
static int s_create(const char *p, mode_t mode, struct fuse_file_info *f) {
  int fd = openat(base, below(p), f->flags, mode);
  f->fh = fd;
  return fd == -1 ? -errno : 0;
}
static int s_read(const char *p, char *out, size_t size, off_t at, struct fuse_file_info *f) {
  ssize_t n = pread(f->fh, out, size, at);
  return n == -1 ? -errno : (int)n;
}
static int s_write(const char *p, const char *in, size_t size, off_t at, struct fuse_file_info *f) {
  ssize_t n = pwrite(f->fh, in, size, at);
  return n == -1 ? -errno : (int)n;
}
static int s_fsync(const char *p, int data, struct fuse_file_info *f) { DID(fsync(f->fh)); }
static int s_release(const char *p, struct fuse_file_info *f) { DID(close(f->fh)); }
static int s_statfs(const char *p, struct statvfs *st) { DID(fstatvfs(base, st)); }

static const struct fuse_operations ALL = {
    .getattr = s_getattr, .access = s_access, .readlink = s_readlink, .readdir = s_readdir, .mknod = s_mknod,
    .mkdir = s_mkdir, .unlink = s_unlink, .rmdir = s_rmdir, .symlink = s_symlink, .rename = s_rename, .link = s_link,
    .chmod = s_chmod, .chown = s_chown, .utimens = s_utimens, .truncate = s_truncate, .open = s_open,
    .create = s_create, .read = s_read, .write = s_write, .fsync = s_fsync, .release = s_release, .statfs = s_statfs};

int main(int count, char **words) {
  char *more[] = {words[0], "-s", "-o", "allow_other,entry_timeout=0,attr_timeout=0", words[2]};
  umask(0);
  if (count != 3 || setgroups(0, NULL) || (base = open(words[1], O_RDONLY | O_DIRECTORY)) == -1) return 1;
  return fuse_main(5, more, &ALL, NULL);
}
