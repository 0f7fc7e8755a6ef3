#include "row_arrow.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "flat.h"
#include "tf/instrument.h"

/* Of the format's Schema.fbs, Message.fbs and File.fbs. */
enum { METADATA_V5 = 4 };
enum { HEADER_SCHEMA = 1, HEADER_RECORD_BATCH = 3 };
enum { TYPE_INT = 2, TYPE_FLOATING_POINT = 3, TYPE_UTF8 = 5 };
enum { PRECISION_DOUBLE = 2 };

enum { COLUMN_TS, COLUMN_SEQ, COLUMN_INSTRUMENT, COLUMN_FIRST };

static const char MAGIC[8] = "ARROW1";

typedef struct buffer { /* Buffer of Message.fbs */
  int64_t offset, bytes;
} buffer_t;

typedef struct node { /* FieldNode */
  int64_t length, null_cnt;
} node_t;

typedef struct block { /* Block of File.fbs */
  int64_t offset;
  int32_t metadata_bytes;
  int32_t reserved;
  int64_t body_bytes;
} block_t;

struct row_arrow {
  FILE                    *file;
  const tf_feature_plan_t *plan;
  char                    *schema_text;
  uint32_t                 feature_cnt;
  uint32_t                 row_cnt; /* of the batch in hand */
  uint64_t                 written; /* bytes of the file */
  uint64_t                *ts, *seq;
  int32_t                 *name_ends; /* (ROW_ARROW_BATCH + 1) offsets of the names */
  char                    *names;
  double                  *values; /* (feature, ROW_ARROW_BATCH) */
  flat_t                   batch;  /* the metadata of a full one; its counts are written over */
  size_t                   length_at, nodes_at, buffers_at, body_at;
  block_t                 *blocks;
  uint32_t                 block_cnt, block_cap;
  bool                     is_short; /* of memory, for blocks */
};

/* ---- metadata ---- */

static void put_int(flat_t *f, flat_table_t t) {
  const int32_t bits = 64;
  flat_put(f, t.fields[0], &bits, sizeof bits); /* is_signed stays false */
}

static void put_double(flat_t *f, flat_table_t t) {
  const int16_t precision = PRECISION_DOUBLE;
  flat_put(f, t.fields[0], &precision, sizeof precision);
}

/* A Field, referred to from `reference`. */
static void put_field(flat_t *f, size_t reference, const char *name, uint8_t type) {
  static const uint8_t SIZES[] = {4, 1, 1, 4, 0, 4}, INT[] = {4, 1}, FLOAT[] = {2};
  flat_table_t         field = flat_table(f, SIZES, TF_ARRAY_CNT(SIZES));
  flat_link(f, reference, field.at);
  flat_put(f, field.fields[2], &type, sizeof type);
  flat_link(f, field.fields[0], flat_text(f, name));
  flat_table_t t = type == TYPE_INT              ? flat_table(f, INT, TF_ARRAY_CNT(INT))
                   : type == TYPE_FLOATING_POINT ? flat_table(f, FLOAT, TF_ARRAY_CNT(FLOAT))
                                                 : flat_table(f, NULL, 0);
  if (type == TYPE_INT) put_int(f, t);
  if (type == TYPE_FLOATING_POINT) put_double(f, t);
  flat_link(f, field.fields[3], t.at);
  flat_link(f, field.fields[5], flat_vector(f, 0, 4) - 4);
}

static void put_schema(const row_arrow_t *a, flat_t *f, size_t reference) {
  static const uint8_t SIZES[] = {0, 4, 4}, PAIR[] = {4, 4};
  flat_table_t         schema = flat_table(f, SIZES, TF_ARRAY_CNT(SIZES));
  flat_link(f, reference, schema.at);
  size_t fields = flat_vector(f, COLUMN_FIRST + a->feature_cnt, 4);
  flat_link(f, schema.fields[1], fields - 4);
  put_field(f, fields + 4 * COLUMN_TS, "ts_recv_ns", TYPE_INT);
  put_field(f, fields + 4 * COLUMN_SEQ, "ingest_seq", TYPE_INT);
  put_field(f, fields + 4 * COLUMN_INSTRUMENT, "instrument", TYPE_UTF8);
  for (uint32_t i = 0; i < a->feature_cnt; i++)
    put_field(f, fields + 4 * (COLUMN_FIRST + i), tf_feature_plan_label(a->plan, i),
              TYPE_FLOATING_POINT);
  size_t pairs = flat_vector(f, 1, 4);
  flat_link(f, schema.fields[2], pairs - 4);
  flat_table_t pair = flat_table(f, PAIR, TF_ARRAY_CNT(PAIR));
  flat_link(f, pairs, pair.at);
  flat_link(f, pair.fields[0], flat_text(f, "tickfuse.schema"));
  flat_link(f, pair.fields[1], flat_text(f, a->schema_text));
}

/* A Message up to its header's reference. */
static flat_table_t begin_message(flat_t *f, uint8_t header_type) {
  static const uint8_t SIZES[] = {2, 1, 4, 8};
  const int16_t        version = METADATA_V5;
  size_t               root    = flat_begin(f);
  flat_table_t         message = flat_table(f, SIZES, TF_ARRAY_CNT(SIZES));
  flat_link(f, root, message.at);
  flat_put(f, message.fields[0], &version, sizeof version);
  flat_put(f, message.fields[1], &header_type, sizeof header_type);
  return message;
}

/* No buffer of a column's nulls is written: its length is 0. The instrument has ends and bytes. */
static uint32_t buffer_cnt(const row_arrow_t *a) { return 2 * (COLUMN_FIRST + a->feature_cnt) + 1; }

static void make_batch(row_arrow_t *a) {
  static const uint8_t SIZES[] = {8, 4, 4};
  flat_t              *f       = &a->batch;
  flat_table_t         message = begin_message(f, HEADER_RECORD_BATCH);
  flat_table_t         batch   = flat_table(f, SIZES, TF_ARRAY_CNT(SIZES));
  flat_link(f, message.fields[2], batch.at);
  a->body_at   = message.fields[3];
  a->length_at = batch.fields[0];
  a->nodes_at  = flat_vector(f, COLUMN_FIRST + a->feature_cnt, sizeof(node_t));
  flat_link(f, batch.fields[1], a->nodes_at - 4);
  a->buffers_at = flat_vector(f, buffer_cnt(a), sizeof(buffer_t));
  flat_link(f, batch.fields[2], a->buffers_at - 4);
}

/* ---- the file ---- */

static void emit(row_arrow_t *a, const void *bytes, size_t cnt) {
  fwrite(bytes, 1, cnt, a->file);
  a->written += cnt;
}

static void pad(row_arrow_t *a) {
  static const char ZEROES[8];
  emit(a, ZEROES, tf_align_up(a->written, 8) - a->written);
}

/* A message's metadata: a mark, its length, itself, up to a multiple of 8. Returns what it took. */
static int32_t emit_metadata(row_arrow_t *a, const flat_t *f) {
  const uint32_t mark  = UINT32_MAX;
  const int32_t  bytes = (int32_t)tf_align_up(f->cnt, 8);
  emit(a, &mark, sizeof mark);
  emit(a, &bytes, sizeof bytes);
  emit(a, f->bytes, f->cnt);
  pad(a);
  return bytes + 8;
}

typedef struct body { /* the buffers of a batch, as they are laid out */
  row_arrow_t *a;
  uint32_t     at;
  int64_t      bytes;
} body_t;

static void add_buffer(body_t *b, size_t bytes) {
  buffer_t buffer = {b->bytes, (int64_t)bytes};
  flat_put(&b->a->batch, b->a->buffers_at + b->at++ * sizeof buffer, &buffer, sizeof buffer);
  b->bytes += (int64_t)tf_align_up(bytes, 8);
}

static void add_column(body_t *b, size_t bytes) {
  add_buffer(b, 0);
  add_buffer(b, bytes);
}

static void emit_column(row_arrow_t *a, const void *bytes, size_t cnt) {
  emit(a, bytes, cnt);
  pad(a);
}

static void emit_batch(row_arrow_t *a) {
  if (a->row_cnt == 0) return;
  const int64_t rows       = a->row_cnt;
  const size_t  word_bytes = a->row_cnt * sizeof(double);
  const size_t  name_bytes = (size_t)a->name_ends[a->row_cnt];
  const node_t  node       = {.length = rows};
  body_t        body       = {.a = a};
  add_column(&body, word_bytes);
  add_column(&body, word_bytes);
  add_column(&body, (a->row_cnt + 1) * sizeof *a->name_ends);
  add_buffer(&body, name_bytes);
  for (uint32_t i = 0; i < a->feature_cnt; i++) add_column(&body, word_bytes);
  flat_put(&a->batch, a->length_at, &rows, sizeof rows);
  flat_put(&a->batch, a->body_at, &body.bytes, sizeof body.bytes);
  for (uint32_t i = 0; i < COLUMN_FIRST + a->feature_cnt; i++)
    flat_put(&a->batch, a->nodes_at + i * sizeof node, &node, sizeof node);

  block_t block        = {.offset = (int64_t)a->written, .body_bytes = body.bytes};
  block.metadata_bytes = emit_metadata(a, &a->batch);
  emit_column(a, a->ts, word_bytes);
  emit_column(a, a->seq, word_bytes);
  emit_column(a, a->name_ends, (a->row_cnt + 1) * sizeof *a->name_ends);
  emit_column(a, a->names, name_bytes);
  for (uint32_t i = 0; i < a->feature_cnt; i++)
    emit_column(a, a->values + (size_t)i * ROW_ARROW_BATCH, word_bytes);
  if (a->block_cnt < a->block_cap)
    a->blocks[a->block_cnt++] = block;
  else
    a->is_short = true;
  a->row_cnt = 0;
}

void row_arrow_write(row_arrow_t *a, uint64_t ts_recv_ns, uint64_t ingest_seq,
                     const char *instrument, const double *row) {
  uint32_t r    = a->row_cnt;
  size_t   name = strnlen(instrument, TF_INSTRUMENT_NAME_BYTES);
  a->ts[r]      = ts_recv_ns;
  a->seq[r]     = ingest_seq;
  memcpy(a->names + a->name_ends[r], instrument, name);
  a->name_ends[r + 1] = a->name_ends[r] + (int32_t)name;
  for (uint32_t i = 0; i < a->feature_cnt; i++) a->values[(size_t)i * ROW_ARROW_BATCH + r] = row[i];
  if (++a->row_cnt == ROW_ARROW_BATCH) emit_batch(a);
}

static bool emit_footer(row_arrow_t *a) {
  static const uint8_t SIZES[] = {2, 4, 4, 4};
  const int16_t        version = METADATA_V5;
  const uint32_t       end[2]  = {UINT32_MAX, 0};
  flat_t               f;
  size_t               root   = flat_begin(&f);
  flat_table_t         footer = flat_table(&f, SIZES, TF_ARRAY_CNT(SIZES));
  flat_link(&f, root, footer.at);
  flat_put(&f, footer.fields[0], &version, sizeof version);
  put_schema(a, &f, footer.fields[1]);
  flat_link(&f, footer.fields[2], flat_vector(&f, 0, sizeof(block_t)) - 4);
  size_t blocks = flat_vector(&f, a->block_cnt, sizeof(block_t));
  flat_link(&f, footer.fields[3], blocks - 4);
  flat_put(&f, blocks, a->blocks, a->block_cnt * sizeof *a->blocks);
  emit(a, end, sizeof end);
  emit(a, f.bytes, f.cnt);
  const int32_t bytes  = (int32_t)f.cnt;
  bool          failed = f.failed;
  emit(a, &bytes, sizeof bytes);
  emit(a, MAGIC, strlen(MAGIC));
  flat_fini(&f);
  return !failed;
}

/* ---- lifetime ---- */

#define BLOCKS_MAX (1u << 18) /* batches of a file: 2^31 rows, 6 MiB of footer */

static void discard(row_arrow_t *a) {
  free(a->ts);
  free(a->seq);
  free(a->name_ends);
  free(a->names);
  free(a->values);
  free(a->blocks);
  free(a->schema_text);
  flat_fini(&a->batch);
  free(a);
}

tf_err_t row_arrow_open(row_arrow_t **arrow, FILE *file, const tf_feature_plan_t *plan,
                        uint32_t feature_cnt, const char *schema_text) {
  row_arrow_t *a = calloc(1, sizeof *a);
  *arrow         = NULL;
  if (!a) return TF_ERR(E_CORE_NO_MEMORY, "an Arrow file");
  *a = (row_arrow_t){.file        = file,
                     .plan        = plan,
                     .feature_cnt = feature_cnt,
                     .schema_text = strdup(schema_text),
                     .ts          = calloc(ROW_ARROW_BATCH, sizeof *a->ts),
                     .seq         = calloc(ROW_ARROW_BATCH, sizeof *a->seq),
                     .name_ends   = calloc(ROW_ARROW_BATCH + 1, sizeof *a->name_ends),
                     .names       = calloc(ROW_ARROW_BATCH, TF_INSTRUMENT_NAME_BYTES),
                     .values =
                         calloc((size_t)ROW_ARROW_BATCH * (feature_cnt + 1), sizeof *a->values),
                     .blocks    = calloc(BLOCKS_MAX, sizeof *a->blocks),
                     .block_cap = BLOCKS_MAX};
  make_batch(a);
  flat_t       f;
  flat_table_t message = begin_message(&f, HEADER_SCHEMA);
  bool         whole = a->schema_text && a->ts && a->seq && a->name_ends && a->names && a->values &&
               a->blocks && !a->batch.failed;
  if (whole) put_schema(a, &f, message.fields[2]);
  whole = whole && !f.failed;
  if (whole) {
    emit(a, MAGIC, sizeof MAGIC);
    (void)emit_metadata(a, &f);
    *arrow = a;
  }
  flat_fini(&f);
  if (whole) return TF_OK;
  discard(a);
  return TF_ERR(E_CORE_NO_MEMORY, "an Arrow file of %u features", feature_cnt);
}

bool row_arrow_close(row_arrow_t *a) {
  if (!a) return true;
  emit_batch(a);
  bool whole = emit_footer(a) && !a->is_short;
  discard(a);
  return whole;
}
