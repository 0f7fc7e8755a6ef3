#include "boot/config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *read_failed(tf_config_errors_t *errors, uint32_t source, const char *path,
                               const char *what, const char *why) {
  tf_config_report_add(errors, E_CONFIG_FILE, source, 0, 0, path, "", "%s: %s", what, why);
  return NULL;
}

static const char *read_all(tf_config_pool_t *pool, tf_config_errors_t *errors, uint32_t source,
                            const char *path, int fd, size_t *text_cnt) {
  struct stat st;
  if (fstat(fd, &st) != 0)
    return read_failed(errors, source, path, "cannot be read", strerror(errno));
  if (S_ISDIR(st.st_mode))
    return read_failed(errors, source, path, "is a directory", "name the YAML file in it");
  if (!S_ISREG(st.st_mode))
    return read_failed(errors, source, path, "is not a regular file",
                       "a pipe or device is refused");
  if (st.st_size > (off_t)TF_CONFIG_TEXT_BYTES_MAX) {
    tf_config_report_add(errors, E_CONFIG_FILE, source, 0, 0, path, "",
                         "is %lld bytes; at most %u (1 MiB)", (long long)st.st_size,
                         TF_CONFIG_TEXT_BYTES_MAX);
    return NULL;
  }
  /* One byte more than the limit, so that a file that grows meanwhile is noticed. */
  size_t cap  = (size_t)st.st_size + 1;
  char  *text = tf_config_pool_take(pool, cap + 1);
  if (!text) return read_failed(errors, source, path, "cannot be read", "no memory");
  size_t used = 0;
  while (used < cap) {
    ssize_t n = read(fd, text + used, cap - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return read_failed(errors, source, path, "cannot be read", strerror(errno));
    if (n == 0) break;
    used += (size_t)n;
  }
  if (used != (size_t)st.st_size)
    return read_failed(errors, source, path, "changed while it was read", "start again");
  text[used] = '\0';
  *text_cnt  = used;
  return text;
}

const char *tf_config_text_read(tf_config_pool_t *pool, tf_config_errors_t *errors, uint32_t source,
                                const char *path, size_t *text_cnt) {
  /* O_NONBLOCK: a FIFO without a writer must be refused, not waited for. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return read_failed(errors, source, path, "cannot be opened", strerror(errno));
  const char *text = read_all(pool, errors, source, path, fd, text_cnt);
  close(fd);
  return text;
}

/* Length of the valid UTF-8 sequence at s (RFC 3629: no overlong form, no surrogate), 0 if none. */
static size_t utf8_len(const unsigned char *s, size_t cnt, uint32_t *cp) {
  if (s[0] < 0x80) return *cp = s[0], 1;
  size_t len = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
  if (s[0] < 0xC2 || s[0] > 0xF4 || len > cnt) return 0;
  *cp = s[0] & (0x7Fu >> len);
  for (size_t i = 1; i < len; i++) {
    if ((s[i] & 0xC0u) != 0x80) return 0;
    *cp = *cp << 6 | (s[i] & 0x3Fu);
  }
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  return *cp < least[len] || *cp > 0x10FFFF || (*cp >= 0xD800 && *cp <= 0xDFFF) ? 0 : len;
}

/* Why a character is refused, or NULL. */
static const char *refusal(uint32_t cp) {
  if (cp == 0) return "a NUL byte; a config is text";
  if (cp == '\t' || cp == '\n') return NULL;
  if (cp < 0x20 || (cp >= 0x7F && cp <= 0x9F)) return "a control character; remove it";
  if (cp == 0x2028 || cp == 0x2029) return "a Unicode line separator; lines end with LF or CRLF";
  if ((cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069))
    return "a character that reorders text on a screen; remove it";
  if (cp == 0xFEFF) return "a byte order mark; save the file as UTF-8 without one";
  return NULL;
}

bool tf_config_text_check(tf_config_errors_t *errors, uint32_t source, const char *label,
                          bool with_line, const char *text, size_t text_cnt) {
  uint32_t    line = 1, col = 1, cp = 0;
  const char *why = NULL;
  if (text_cnt >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0))
    why = "UTF-16; save the file as UTF-8";
  size_t len = 1;
  for (size_t i = 0; !why && i < text_cnt; i += len) {
    len = utf8_len((const unsigned char *)text + i, text_cnt - i, &cp);
    if (len == 0)
      why = "not UTF-8";
    else if (cp == '\r' && i + 1 < text_cnt && text[i + 1] == '\n')
      continue;
    else if ((why = refusal(cp)) == NULL) {
      col = cp == '\n' ? 1 : col + 1;
      line += cp == '\n';
    }
  }
  if (!why) return true;
  char place[512];
  snprintf(place, sizeof place, "%s:%u:%u", label, line, col);
  tf_config_report_add(errors, E_CONFIG_SYNTAX, source, line, col, with_line ? place : label, "",
                       "%s", why);
  return false;
}
