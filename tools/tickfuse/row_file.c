#include "row_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tf/atomic.h"
#include "tf/instrument.h"

#define BUFFER_BYTES (1u << 20)

static const char MAGIC[8] = {(char)0x93, 'N', 'U', 'M', 'P', 'Y', 2, 0};

static char buffer[BUFFER_BYTES]; /* one file at a time */

const char *row_number(double x, char *buf) {
  buf[0] = '\0';
  if (x != x) return buf;
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(buf, 32, "%.*g", digits, x);
    if (strtod(buf, NULL) == x) break;
  }
  return buf;
}

/* A header of fixed length: the row count is written over blanks when it is known. */
static void npy_header(row_file_t *r, const tf_feature_plan_t *plan) {
  static char text[TF_FEATURE_PLAN_ROW_MAX * (TF_FEATURE_PLAN_NAME_BYTES + 16) + 512];
  size_t      cnt = (size_t)snprintf(text, sizeof text,
                                     "{'descr': [('ts_recv_ns', '<u8'), ('ingest_seq', '<u8'), "
                                          "('instrument', '|S%d')",
                                     TF_INSTRUMENT_NAME_BYTES);
  for (uint32_t i = 0; i < r->feature_cnt; i++)
    cnt += (size_t)snprintf(text + cnt, sizeof text - cnt, ", ('%s', '<f8')",
                            tf_feature_plan_label(plan, i));
  cnt += (size_t)snprintf(text + cnt, sizeof text - cnt, "], 'fortran_order': False, 'shape': (");
  size_t shape = cnt;
  cnt += (size_t)snprintf(text + cnt, sizeof text - cnt, "%20d,), }", 0);
  size_t   whole     = tf_align_up(sizeof MAGIC + 4 + cnt + 1, 64);
  uint32_t text_cnt  = (uint32_t)(whole - sizeof MAGIC - 4);
  uint8_t  length[4] = {(uint8_t)text_cnt, (uint8_t)(text_cnt >> 8), (uint8_t)(text_cnt >> 16),
                        (uint8_t)(text_cnt >> 24)};
  memset(text + cnt, ' ', text_cnt - cnt);
  text[text_cnt - 1] = '\n';
  fwrite(MAGIC, sizeof MAGIC, 1, r->file);
  fwrite(length, sizeof length, 1, r->file);
  fwrite(text, text_cnt, 1, r->file);
  r->shape_at = (long)(sizeof MAGIC + 4 + shape);
}

/* A field of CSV: names hold commas, "ema(mid,20)". */
static void csv_name(FILE *file, const char *name) {
  fprintf(file, strpbrk(name, ",\"") ? ",\"%s\"" : ",%s", name);
}

static bool ends_in(const char *path, const char *ending) {
  size_t length = path ? strlen(path) : 0, cnt = strlen(ending);
  return length > cnt && strcmp(path + length - cnt, ending) == 0;
}

tf_err_t row_file_open(row_file_t *r, const char *path, const tf_feature_plan_t *plan,
                       uint32_t feature_cnt, const char *schema_text) {
  *r        = (row_file_t){.feature_cnt = feature_cnt};
  r->is_npy = ends_in(path, ".npy");
  r->file   = path ? fopen(path, "wb") : stdout;
  if (!r->file) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  setvbuf(r->file, buffer, _IOFBF, sizeof buffer);
  if (ends_in(path, ".arrow") || ends_in(path, ".feather"))
    return row_arrow_open(&r->arrow, r->file, plan, feature_cnt, schema_text);
  if (r->is_npy) {
    npy_header(r, plan);
    return TF_OK;
  }
  fputs("ts_recv_ns,ingest_seq,instrument", r->file);
  for (uint32_t i = 0; i < feature_cnt; i++) csv_name(r->file, tf_feature_plan_label(plan, i));
  fputc('\n', r->file);
  return TF_OK;
}

void row_file_write(row_file_t *r, uint64_t ts_recv_ns, uint64_t ingest_seq, const char *instrument,
                    const double *row) {
  /* relaxed: whoever shows progress reads the count alone */
  tf_store_relaxed(&r->row_cnt, r->row_cnt + 1);
  if (r->arrow) {
    row_arrow_write(r->arrow, ts_recv_ns, ingest_seq, instrument, row);
    return;
  }
  if (r->is_npy) {
    char name[TF_INSTRUMENT_NAME_BYTES] = "";
    memcpy(name, instrument, strnlen(instrument, sizeof name));
    fwrite(&ts_recv_ns, sizeof ts_recv_ns, 1, r->file);
    fwrite(&ingest_seq, sizeof ingest_seq, 1, r->file);
    fwrite(name, sizeof name, 1, r->file);
    fwrite(row, sizeof *row, r->feature_cnt, r->file);
    return;
  }
  fprintf(r->file, "%" PRIu64 ",%" PRIu64 ",%s", ts_recv_ns, ingest_seq, instrument);
  for (uint32_t i = 0; i < r->feature_cnt; i++) {
    char text[32];
    fprintf(r->file, ",%s", row_number(row[i], text));
  }
  fputc('\n', r->file);
}

tf_err_t row_file_close(row_file_t *r) {
  if (!r->file) return TF_OK;
  bool is_short = !row_arrow_close(r->arrow);
  r->arrow      = NULL;
  if (r->is_npy && fseek(r->file, r->shape_at, SEEK_SET) == 0)
    fprintf(r->file, "%20" PRIu64, r->row_cnt);
  bool failed = fflush(r->file) != 0 || ferror(r->file);
  if (r->file != stdout && fclose(r->file) != 0) failed = true;
  r->file = NULL;
  if (is_short) return TF_ERR(E_CORE_NO_MEMORY, "the footer of an Arrow file");
  return failed ? TF_ERR(E_FILE_WRITE, "writing rows: %s", strerror(errno)) : TF_OK;
}
