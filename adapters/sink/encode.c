#include "sink/encode.h"

#include <string.h>

#include "sink/decision_json.h"
#include "sink/event_doc.h"

/* A double of 17 digits with sign, point, exponent and comma; what stands around a row's values. */
#define VALUE_BYTES_MAX   26u
#define FEATURE_BYTES_MAX 640u

size_t tf_encode_bytes_max(const tf_record_shape_t *shape, tf_sink_format_t format) {
  if (format == TF_FORMAT_BINARY) return shape->bytes;
  if (shape->carries == TF_CARRIES_DECISIONS) return TF_DECISION_JSON_BYTES_MAX;
  if (shape->carries != TF_CARRIES_FEATURES) return TF_EVENT_DOC_BYTES_MAX;
  return FEATURE_BYTES_MAX + (shape->bytes - sizeof(tf_feature_record_t)) / 8 * VALUE_BYTES_MAX;
}

static void put_features(tf_doc_t *doc, const void *record, uint32_t value_cnt,
                         const tf_instruments_t *instruments, bool is_late) {
  tf_feature_record_t row;
  memcpy(&row, record, sizeof row);
  if (row.value_cnt < value_cnt) value_cnt = row.value_cnt;
  tf_doc_map(doc, NULL, 5u + is_late);
  tf_doc_u64(doc, "row_seq", row.row_seq);
  tf_doc_u64(doc, "ingest_seq", row.ingest_seq);
  tf_doc_u64(doc, "ts_recv_ns", row.ts_recv_ns);
  tf_doc_instrument(doc, row.instrument_id, instruments);
  if (is_late) tf_doc_true(doc, "late");
  tf_doc_array(doc, "values", value_cnt);
  for (uint32_t i = 0; i < value_cnt; i++) {
    double value;
    memcpy(&value, (const uint8_t *)record + sizeof row + 8u * i, sizeof value);
    tf_doc_double(doc, NULL, value);
  }
  tf_doc_array_end(doc);
  tf_doc_map_end(doc);
}

static void put_record(tf_doc_t *doc, const tf_sink_config_t *config, const void *record,
                       bool is_late) {
  const tf_record_shape_t *shape = &config->shape;
  if (shape->carries == TF_CARRIES_DECISIONS) {
    tf_decision_t d;
    memcpy(&d, record, sizeof d);
    if (is_late) d.path |= TF_PATH_LATE;
    tf_decision_json_fields(doc, &d, config);
  } else if (shape->carries == TF_CARRIES_FEATURES) {
    put_features(doc, record, (uint32_t)((shape->bytes - sizeof(tf_feature_record_t)) / 8),
                 config->instruments, is_late);
  } else {
    tf_event_t e;
    memcpy(&e, record, sizeof e);
    tf_event_doc_fields(doc, &e, config->instruments, config->labels, is_late);
  }
}

size_t tf_encode(const tf_sink_config_t *config, const void *record, bool is_late, uint8_t *out) {
  const tf_record_shape_t *shape = &config->shape;
  if (config->format == TF_FORMAT_BINARY) {
    memcpy(out, record, shape->bytes);
    if (is_late && shape->carries == TF_CARRIES_DECISIONS)
      out[offsetof(tf_decision_t, path)] |= TF_PATH_LATE;
    return shape->bytes;
  }
  tf_doc_t doc;
  tf_doc_init(&doc, config->format, out, tf_encode_bytes_max(shape, config->format) - 1);
  put_record(&doc, config, record, is_late);
  size_t cnt = tf_doc_end(&doc);
  if (config->format == TF_FORMAT_JSON) out[cnt++] = '\n';
  return cnt;
}

const char *tf_encode_content_type(tf_sink_format_t format) {
  static const char *const types[] = {"application/octet-stream", "application/x-ndjson",
                                      "application/cbor-seq"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(types) == TF_FORMAT_CNT, "one type each");
  return types[format];
}
