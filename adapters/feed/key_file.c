#include "feed/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

/* The key, and behind it the file's text: one locked mapping for both. */
typedef struct {
  tf_feed_key_t key;
  char          text[TF_KEY_FILE_BYTES_MAX + 1];
} secret_t;

static tf_err_t check_file(int fd, const char *path) {
  struct stat st;
  if (fstat(fd, &st) != 0) return TF_ERR(E_FEED_KEY, "%s: %s", path, strerror(errno));
  if (!S_ISREG(st.st_mode)) return TF_ERR(E_FEED_KEY, "%s: not a regular file", path);
  if (st.st_uid != geteuid())
    return TF_ERR(E_FEED_KEY, "%s: owned by user %u, and this is user %u: chown it", path,
                  (unsigned)st.st_uid, (unsigned)geteuid());
  if ((st.st_mode & 077) != 0)
    return TF_ERR(E_FEED_KEY, "%s: mode %03o lets others read it: chmod 600 %s", path,
                  (unsigned)(st.st_mode & 0777), path);
  return TF_OK;
}

static tf_err_t read_text(int fd, const char *path, secret_t *secret, size_t *cnt) {
  for (*cnt = 0; *cnt <= TF_KEY_FILE_BYTES_MAX;) {
    ssize_t n = read(fd, secret->text + *cnt, TF_KEY_FILE_BYTES_MAX + 1 - *cnt);
    if (n == 0) return TF_OK;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return TF_ERR(E_FEED_KEY, "%s: %s", path, strerror(errno));
    *cnt += (size_t)n;
  }
  return TF_ERR(E_FEED_KEY, "%s: longer than %u bytes", path, TF_KEY_FILE_BYTES_MAX);
}

typedef struct {
  char  *target;
  size_t cap;
  bool   has;
} field_t;

/* "name: value" of one line into its field. */
static tf_err_t take_line(const char *line, size_t n, field_t fields[3], const char *path,
                          unsigned line_no) {
  static const char *const names[] = {"id", "secret", "passphrase"};
  for (int i = 0; i < 3; i++) {
    size_t name_bytes = strlen(names[i]);
    if (n <= name_bytes || memcmp(line, names[i], name_bytes) != 0 || line[name_bytes] != ':')
      continue;
    const char *value = line + name_bytes + 1;
    size_t      bytes = n - name_bytes - 1;
    for (; bytes > 0 && (*value == ' ' || *value == '\t'); bytes--) value++;
    if (fields[i].has)
      return TF_ERR(E_FEED_KEY, "%s:%u: %s is given twice", path, line_no, names[i]);
    if (bytes == 0 || bytes >= fields[i].cap)
      return TF_ERR(E_FEED_KEY, "%s:%u: %s has %zu bytes; 1 to %zu are allowed", path, line_no,
                    names[i], bytes, fields[i].cap - 1);
    for (size_t k = 0; k < bytes; k++)
      if (value[k] <= ' ' || value[k] > '~' || value[k] == '"' || value[k] == '\\')
        return TF_ERR(E_FEED_KEY, "%s:%u: %s has a character that no key has, at %zu", path,
                      line_no, names[i], k + 1);
    memcpy(fields[i].target, value, bytes);
    fields[i].has = true;
    return TF_OK;
  }
  return TF_ERR(E_FEED_KEY, "%s:%u: expected id:, secret: or passphrase:", path, line_no);
}

static tf_err_t parse(secret_t *secret, size_t cnt, const char *path) {
  tf_feed_key_t *k         = &secret->key;
  field_t        fields[3] = {
             {k->id,         sizeof k->id,         false},
             {k->secret,     sizeof k->secret,     false},
             {k->passphrase, sizeof k->passphrase, false}
  };
  unsigned line_no = 0;
  for (size_t at = 0; at < cnt;) {
    const char *line = secret->text + at;
    const char *end  = memchr(line, '\n', cnt - at);
    size_t      n    = end ? (size_t)(end - line) : cnt - at;
    at += n + 1;
    line_no++;
    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' ' || line[n - 1] == '\t')) n--;
    if (n == 0 || *line == '#') continue;
    tf_err_t err = take_line(line, n, fields, path, line_no);
    if (err != TF_OK) return err;
  }
  if (!fields[0].has || !fields[1].has)
    return TF_ERR(E_FEED_KEY, "%s: a line %s is missing", path, fields[0].has ? "secret:" : "id:");
  return TF_OK;
}

static void release(secret_t *secret) {
  explicit_bzero(secret, sizeof *secret);
  munmap(secret, sizeof *secret);
}

tf_err_t tf_key_file_load(const char *path, tf_feed_key_t **key) {
  *key   = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return TF_ERR(E_FEED_KEY, "%s: %s", path, strerror(errno));
  tf_err_t  err    = check_file(fd, path);
  secret_t *secret = MAP_FAILED;
  if (err == TF_OK) {
    secret = mmap(NULL, sizeof *secret, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (secret == MAP_FAILED) err = TF_ERR(E_CORE_NO_MEMORY, "for the key of %s", path);
  }
  if (err == TF_OK && mlock(secret, sizeof *secret) != 0)
    err = TF_ERR(E_CORE_SYSTEM, "the key of %s cannot be locked into memory: %s (ulimit -l)", path,
                 strerror(errno));
  if (err == TF_OK) {
    size_t cnt;
    madvise(secret, sizeof *secret, MADV_DONTDUMP);
    err = read_text(fd, path, secret, &cnt);
    if (err == TF_OK) err = parse(secret, cnt, path);
    explicit_bzero(secret->text, sizeof secret->text);
  }
  close(fd);
  if (err == TF_OK)
    *key = &secret->key;
  else if (secret != MAP_FAILED)
    release(secret);
  return err;
}

void tf_key_file_release(tf_feed_key_t *key) {
  TF_STATIC_ASSERT(offsetof(secret_t, key) == 0, "a key is where its mapping begins");
  if (key) release((secret_t *)(void *)key);
}
