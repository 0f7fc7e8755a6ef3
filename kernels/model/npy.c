#include "model/npy.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"

static const char magic[6] = {(char)0x93, 'N', 'U', 'M', 'P', 'Y'};

/* What a header says. */
typedef struct header {
  uint32_t value_bytes;
  uint32_t rank;
  uint64_t row_cnt; /* all but the columns, multiplied */
  uint64_t middle_cnt;
  uint64_t column_cnt;
} header_t;

/* Cursor over the header's text. */
typedef struct cursor {
  const char *at;
} cursor_t;

static void skip_blanks(cursor_t *c) {
  while (*c->at == ' ' || *c->at == '\n') c->at++;
}

static bool accept(cursor_t *c, const char *text) {
  skip_blanks(c);
  size_t length = strlen(text);
  if (strncmp(c->at, text, length) != 0) return false;
  c->at += length;
  return true;
}

static bool accept_number(cursor_t *c, uint64_t *number) {
  skip_blanks(c);
  if (*c->at < '0' || *c->at > '9') return false;
  *number = 0;
  for (; *c->at >= '0' && *c->at <= '9'; c->at++)
    if (__builtin_mul_overflow(*number, UINT64_C(10), number) ||
        __builtin_add_overflow(*number, (uint64_t)(*c->at - '0'), number))
      return false;
  return true;
}

/* (5, 3, 12), (3, 12), (12,) */
static tf_err_t read_shape(const char *path, cursor_t *c, header_t *h) {
  uint64_t dims[3];
  uint32_t rank = 0;
  if (!accept(c, "(")) return TF_ERR(E_FILE_FORMAT, "%s: its shape is no tuple", path);
  while (!accept(c, ")")) {
    if (rank == 3)
      return TF_ERR(E_FILE_FORMAT, "%s: rank 4 or more; rows or windows of values wanted", path);
    if (!accept_number(c, &dims[rank++]) || (!accept(c, ",") && *c->at != ')'))
      return TF_ERR(E_FILE_FORMAT, "%s: its shape is not a tuple of sizes", path);
  }
  if (rank == 0) return TF_ERR(E_FILE_FORMAT, "%s: a single number; rows of values wanted", path);
  h->rank       = rank;
  h->middle_cnt = rank == 3 ? dims[1] : 1;
  h->column_cnt = dims[rank - 1];
  h->row_cnt    = rank == 1 ? 1 : dims[0];
  if (__builtin_mul_overflow(h->row_cnt, h->middle_cnt, &h->row_cnt))
    return TF_ERR(E_FILE_FORMAT, "%s: its shape is too large", path);
  return TF_OK;
}

static tf_err_t read_entry(const char *path, cursor_t *c, header_t *h, uint32_t *seen) {
  uint32_t key = 0;
  if (accept(c, "'descr':")) {
    key = 1;
    if (accept(c, "'<f4'"))
      h->value_bytes = 4;
    else if (accept(c, "'<f8'"))
      h->value_bytes = 8;
    else
      return TF_ERR(E_FILE_FORMAT, "%s: dtype %.12s; '<f4' (float32) or '<f8' (float64) wanted",
                    path, c->at);
  } else if (accept(c, "'fortran_order':")) {
    key = 2;
    if (!accept(c, "False"))
      return TF_ERR(E_FILE_FORMAT,
                    "%s: not in C order; save numpy.ascontiguousarray(x) instead of x", path);
  } else if (accept(c, "'shape':")) {
    key          = 4;
    tf_err_t err = read_shape(path, c, h);
    if (err) return err;
  }
  if (key == 0 || (*seen & key))
    return TF_ERR(E_FILE_FORMAT, "%s: its header has an unknown or repeated key at '%.20s'", path,
                  c->at);
  *seen |= key;
  return TF_OK;
}

static tf_err_t parse_header(const char *path, const char *text, header_t *h) {
  cursor_t c    = {text};
  uint32_t seen = 0;
  if (!accept(&c, "{")) return TF_ERR(E_FILE_FORMAT, "%s: its header is no dictionary", path);
  while (!accept(&c, "}")) {
    tf_err_t err = read_entry(path, &c, h, &seen);
    if (err) return err;
    skip_blanks(&c);
    if (!accept(&c, ",") && *c.at != '}')
      return TF_ERR(E_FILE_FORMAT, "%s: its header is damaged at '%.20s'", path, c.at);
  }
  skip_blanks(&c);
  if (seen != 7 || *c.at)
    return TF_ERR(E_FILE_FORMAT, "%s: its header wants descr, fortran_order, shape and no more",
                  path);
  return TF_OK;
}

/* Reads magic, version, length and text; text has room for TF_NPY_HEADER_BYTES_MAX + 1. */
static tf_err_t read_header(const char *path, FILE *file, header_t *h, char *text) {
  uint8_t  start[12];
  uint32_t length_bytes = 0;
  if (fread(start, 1, 8, file) != 8 || memcmp(start, magic, sizeof magic) != 0)
    return TF_ERR(E_FILE_FORMAT, "%s: not a .npy file", path);
  if ((start[6] == 1 || start[6] == 2) && start[7] == 0) length_bytes = start[6] == 1 ? 2 : 4;
  if (!length_bytes)
    return TF_ERR(E_FILE_FORMAT, "%s: .npy version %u.%u; 1.0 and 2.0 are read", path, start[6],
                  start[7]);
  if (fread(start, 1, length_bytes, file) != length_bytes)
    return TF_ERR(E_FILE_DAMAGED, "%s: cut short in its header", path);
  uint32_t length = 0;
  for (uint32_t i = 0; i < length_bytes; i++) length |= (uint32_t)start[i] << (8 * i);
  if (length > TF_NPY_HEADER_BYTES_MAX)
    return TF_ERR(E_FILE_FORMAT, "%s: a header of %u bytes, at most %u are allowed", path, length,
                  TF_NPY_HEADER_BYTES_MAX);
  if (fread(text, 1, length, file) != length)
    return TF_ERR(E_FILE_DAMAGED, "%s: cut short in its header", path);
  text[length] = 0;
  if (strlen(text) != length) return TF_ERR(E_FILE_FORMAT, "%s: a NUL in its header", path);
  return parse_header(path, text, h);
}

static tf_err_t read_values(tf_npy_t *npy, const char *path, FILE *file, const header_t *h) {
  struct stat info;
  long        at = ftell(file);
  uint64_t    cnt, bytes;
  if (at < 0 || fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode))
    return TF_ERR(E_FILE_OPEN, "%s: not a regular file", path);
  if (__builtin_mul_overflow(h->row_cnt, h->column_cnt, &cnt) ||
      __builtin_mul_overflow(cnt, (uint64_t)h->value_bytes, &bytes) ||
      bytes > TF_NPY_FILE_BYTES_MAX)
    return TF_ERR(E_FILE_FORMAT, "%s: %llu by %llu values are more than %llu bytes", path,
                  (unsigned long long)h->row_cnt, (unsigned long long)h->column_cnt,
                  (unsigned long long)TF_NPY_FILE_BYTES_MAX);
  if ((uint64_t)info.st_size != (uint64_t)at + bytes)
    return TF_ERR(E_FILE_DAMAGED, "%s: %lld bytes, its header makes it %llu", path,
                  (long long)info.st_size, (unsigned long long)((uint64_t)at + bytes));
  npy->rank       = h->rank;
  npy->row_cnt    = h->row_cnt;
  npy->middle_cnt = h->middle_cnt;
  npy->column_cnt = h->column_cnt;
  npy->values     = malloc(cnt ? cnt * sizeof(float) : 1);
  if (!npy->values)
    return TF_ERR(E_CORE_NO_MEMORY, "%s: %llu values", path, (unsigned long long)cnt);
  for (uint64_t i = 0; i < cnt; i++) {
    double wide;
    void  *target = h->value_bytes == 4 ? (void *)&npy->values[i] : (void *)&wide;
    if (fread(target, h->value_bytes, 1, file) != 1)
      return TF_ERR(E_FILE_DAMAGED, "%s: cut short while read", path);
    if (h->value_bytes == 4) continue;
    npy->values[i] = (float)wide;
    if (isinf(npy->values[i]) && !isinf(wide))
      return TF_ERR(E_FILE_FORMAT, "%s: value %llu is %g: beyond float32", path,
                    (unsigned long long)i, wide);
  }
  return TF_OK;
}

tf_err_t tf_npy_read(tf_npy_t *npy, const char *path) {
  memset(npy, 0, sizeof *npy);
  FILE *file = fopen(path, "rbe");
  if (!file) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  char     text[TF_NPY_HEADER_BYTES_MAX + 1];
  header_t h   = {0};
  tf_err_t err = read_header(path, file, &h, text);
  if (!err) err = read_values(npy, path, file, &h);
  fclose(file);
  if (err) tf_npy_fini(npy);
  return err;
}

void tf_npy_fini(tf_npy_t *npy) {
  free(npy->values);
  memset(npy, 0, sizeof *npy);
}

tf_err_t tf_npy_write(const char *path, uint64_t row_cnt, uint64_t column_cnt,
                      const float *values) {
  /* magic, version, length, text, padded so that the data begin at a multiple of 64 */
  char text[118 + 1];
  int  used = snprintf(text, sizeof text,
                       "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %llu), }",
                       (unsigned long long)row_cnt, (unsigned long long)column_cnt);
  TF_ASSERT(used > 0 && used < 118);
  memset(text + used, ' ', sizeof text - 1 - (size_t)used);
  text[117]            = '\n';
  const uint8_t head[] = {1, 0, 118, 0};
  FILE         *file   = fopen(path, "wbe");
  if (!file) return TF_ERR(E_FILE_WRITE, "%s: %s", path, strerror(errno));
  bool good = fwrite(magic, 1, sizeof magic, file) == sizeof magic &&
              fwrite(head, 1, sizeof head, file) == sizeof head &&
              fwrite(text, 1, 118, file) == 118 &&
              fwrite(values, sizeof *values, row_cnt * column_cnt, file) == row_cnt * column_cnt;
  if (fclose(file) != 0) good = false;
  return good ? TF_OK : TF_ERR(E_FILE_WRITE, "%s: %s", path, strerror(errno));
}
