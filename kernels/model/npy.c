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
  /* of a structured array */
  uint32_t name_cnt;
  char (*names)[TF_NPY_NAME_BYTES];
  uint32_t before_bytes; /* of a row, ahead of its values */
  uint32_t text_at, text_bytes;
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

/* 'name' up to the closing quote. */
static bool accept_quoted(cursor_t *c, char *target, size_t bytes) {
  if (!accept(c, "'")) return false;
  const char *end = strchr(c->at, '\'');
  if (!end || (size_t)(end - c->at) >= bytes) return false;
  memcpy(target, c->at, (size_t)(end - c->at));
  target[end - c->at] = 0;
  c->at               = end + 1;
  return true;
}

/* One column: its name and type. */
static tf_err_t read_column(const char *path, header_t *h, const char *name, const char *type) {
  const bool is_float = strcmp(type, "<f4") == 0 || strcmp(type, "<f8") == 0;
  if (is_float) {
    const uint32_t bytes = type[2] == '4' ? 4 : 8;
    if (h->name_cnt == TF_NPY_COLUMNS_MAX)
      return TF_ERR(E_FILE_FORMAT, "%s: more than %u columns", path, TF_NPY_COLUMNS_MAX);
    if (h->name_cnt && h->value_bytes != bytes)
      return TF_ERR(E_FILE_FORMAT, "%s: column \"%s\" is %s, those before are not", path, name,
                    type);
    h->value_bytes = bytes;
    memcpy(h->names[h->name_cnt++], name, strlen(name) + 1);
    return TF_OK;
  }
  char         *end;
  unsigned long bytes = strncmp(type, "|S", 2) == 0 ? strtoul(type + 2, &end, 10) : 0;
  const bool    text  = bytes > 0 && bytes <= TF_NPY_NAME_BYTES && *end == 0 && !h->text_bytes;
  if (h->name_cnt || (!text && strcmp(type, "<u8") != 0 && strcmp(type, "<i8") != 0) ||
      h->before_bytes > TF_NPY_HEADER_BYTES_MAX)
    return TF_ERR(
        E_FILE_FORMAT,
        "%s: column \"%s\" is %s; <u8, <i8 and one text of at most %u bytes, then columns of "
        "<f4 or <f8 are wanted",
        path, name, type, TF_NPY_NAME_BYTES);
  if (text) {
    h->text_at    = h->before_bytes;
    h->text_bytes = (uint32_t)bytes;
  }
  h->before_bytes += text ? (uint32_t)bytes : 8;
  return TF_OK;
}

/* [('ts_recv_ns', '<u8'), ('mid', '<f8')] behind the bracket. */
static tf_err_t read_columns(const char *path, cursor_t *c, header_t *h) {
  char name[TF_NPY_NAME_BYTES], type[16];
  h->names = calloc(TF_NPY_COLUMNS_MAX, sizeof *h->names);
  if (!h->names) return TF_ERR(E_CORE_NO_MEMORY, "%s: its columns", path);
  while (!accept(c, "]")) {
    if (!accept(c, "(") || !accept_quoted(c, name, sizeof name) || !accept(c, ",") ||
        !accept_quoted(c, type, sizeof type) || !accept(c, ")") ||
        (!accept(c, ",") && *c->at != ']'))
      return TF_ERR(E_FILE_FORMAT, "%s: its columns are damaged at '%.20s'", path, c->at);
    tf_err_t err = read_column(path, h, name, type);
    if (err) return err;
  }
  if (h->name_cnt) return TF_OK;
  return TF_ERR(E_FILE_FORMAT, "%s: no column of <f4 or <f8", path);
}

static tf_err_t read_entry(const char *path, cursor_t *c, header_t *h, uint32_t *seen) {
  uint32_t key = 0;
  if (accept(c, "'descr':")) {
    key = 1;
    if (accept(c, "'<f4'"))
      h->value_bytes = 4;
    else if (accept(c, "'<f8'"))
      h->value_bytes = 8;
    else if (!h->names && accept(c, "[")) {
      tf_err_t err = read_columns(path, c, h);
      if (err) return err;
    } else
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
  if (!h->name_cnt) return TF_OK;
  if (h->rank != 1)
    return TF_ERR(E_FILE_FORMAT, "%s: a structured array of rank %u, rows are wanted", path,
                  h->rank);
  h->row_cnt    = h->column_cnt;
  h->column_cnt = h->name_cnt;
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

/* cnt values from value first on. */
static tf_err_t read_floats(tf_npy_t *npy, const char *path, FILE *file, const header_t *h,
                            uint64_t first, uint64_t cnt) {
  for (uint64_t i = first; i < first + cnt; i++) {
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

/* The number of a text among those that came; the last row's is likely. */
static tf_err_t find_group(tf_npy_t *npy, const char *path, const char *text, uint32_t bytes,
                           char (*texts)[TF_NPY_NAME_BYTES], uint64_t row) {
  uint32_t group = row ? npy->groups[row - 1] : 0;
  if (!row || memcmp(texts[group], text, bytes) != 0)
    for (group = 0; group < npy->group_cnt; group++)
      if (memcmp(texts[group], text, bytes) == 0) break;
  if (group == TF_NPY_GROUPS_MAX)
    return TF_ERR(E_FILE_FORMAT, "%s: rows of more than %u instruments", path, TF_NPY_GROUPS_MAX);
  if (group == npy->group_cnt) memcpy(texts[npy->group_cnt++], text, bytes);
  npy->groups[row] = group;
  return TF_OK;
}

/* Row by row, each with what lies ahead of its values. */
static tf_err_t read_rows(tf_npy_t *npy, const char *path, FILE *file, const header_t *h) {
  char(*texts)[TF_NPY_NAME_BYTES] = calloc(TF_NPY_GROUPS_MAX, sizeof *texts);
  char    *before                 = malloc(h->before_bytes + 1);
  tf_err_t err = texts && before ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "%s: its instruments", path);
  for (uint64_t r = 0; r < h->row_cnt && !err; r++) {
    if (h->before_bytes && fread(before, h->before_bytes, 1, file) != 1)
      err = TF_ERR(E_FILE_DAMAGED, "%s: cut short while read", path);
    if (!err && h->text_bytes)
      err = find_group(npy, path, before + h->text_at, h->text_bytes, texts, r);
    if (!err) err = read_floats(npy, path, file, h, r * h->column_cnt, h->column_cnt);
  }
  free(texts);
  free(before);
  return err;
}

static tf_err_t read_values(tf_npy_t *npy, const char *path, FILE *file, const header_t *h) {
  struct stat info;
  long        at = ftell(file);
  uint64_t    cnt, bytes, before;
  if (at < 0 || fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode))
    return TF_ERR(E_FILE_OPEN, "%s: not a regular file", path);
  if (__builtin_mul_overflow(h->row_cnt, h->column_cnt, &cnt) ||
      __builtin_mul_overflow(cnt, (uint64_t)h->value_bytes, &bytes) ||
      __builtin_mul_overflow(h->row_cnt, (uint64_t)h->before_bytes, &before) ||
      __builtin_add_overflow(bytes, before, &bytes) || bytes > TF_NPY_FILE_BYTES_MAX)
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
  if (h->text_bytes) {
    npy->groups = malloc(h->row_cnt ? h->row_cnt * sizeof *npy->groups : 1);
    if (!npy->groups) return TF_ERR(E_CORE_NO_MEMORY, "%s: its rows' groups", path);
  }
  return h->name_cnt ? read_rows(npy, path, file, h) : read_floats(npy, path, file, h, 0, cnt);
}

tf_err_t tf_npy_read(tf_npy_t *npy, const char *path) {
  memset(npy, 0, sizeof *npy);
  FILE *file = fopen(path, "rbe");
  if (!file) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  header_t h    = {0};
  char    *text = malloc(TF_NPY_HEADER_BYTES_MAX + 1);
  tf_err_t err =
      text ? read_header(path, file, &h, text) : TF_ERR(E_CORE_NO_MEMORY, "%s: its header", path);
  if (!err) err = read_values(npy, path, file, &h);
  npy->names = h.names;
  free(text);
  fclose(file);
  if (err) tf_npy_fini(npy);
  return err;
}

void tf_npy_fini(tf_npy_t *npy) {
  free(npy->values);
  free(npy->names);
  free(npy->groups);
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
