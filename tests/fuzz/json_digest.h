/* The body of both: included after JSON_DIGEST has been given its name. */
#include "json_paths.h"
#include "json_probe.h"

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 1099511628211u;
  return hash ^ hash >> 31;
}

static uint64_t mix_object(uint64_t hash, const probe_t *probe, const tf_json_object_t *object) {
  hash = mix(hash, object->seen & ((UINT64_C(1) << PROBE_KEYS) - 1));
  for (uint32_t i = 0; i < PROBE_KEYS; i++) {
    const tf_json_value_t *v = &object->values[i];
    if (!tf_json_seen(object, i)) continue;
    hash = mix(hash, (uint64_t)v->kind << 16 | (uint64_t)v->made << 8 | v->escaped);
    if (v->made == TF_JSON_MADE_DECIMAL)
      hash = mix(mix(hash, (uint64_t)v->as.mantissa), (uint64_t)v->exp);
    else if (v->made == TF_JSON_MADE_U64)
      hash = mix(hash, tf_json_u64(&probe->json, v));
    else if (v->made == TF_JSON_MADE_LEVELS)
      hash = mix(mix(hash, v->as.levels.first), v->as.levels.cnt);
    else
      for (uint32_t b = 0; b < v->bytes_cnt; b++) hash = mix(hash, (uint8_t)v->bytes[b]);
  }
  return hash;
}

uint64_t JSON_DIGEST(const char *bytes, size_t cnt) {
  static tf_json_orders_t  orders[3];
  static tf_json_layouts_t layouts;
  static probe_t           probe;
  static bool              is_ready;
  uint64_t                 hash = 1469598103934665603u;
  if (!is_ready) {
    tf_json_orders_init(&orders[0]);
    tf_json_orders_init(&orders[1]);
    tf_json_orders_init(&orders[2]);
    tf_json_layouts_init(&layouts);
    is_ready = true;
  }
  layouts.credit = UINT32_MAX / 2; /* each may be learned */
  hash           = mix(hash, probe_read_known(&probe, orders, &layouts, bytes, cnt));
  if (probe.json.result != TF_JSON_OK) return hash;
  hash = mix(mix(hash, probe.json.root_kind), probe.json.duplicate_key_cnt);
  hash = mix(mix(hash, probe.json.element_cnt), probe.json.any_negative);
  for (uint32_t i = 0; i < probe.json.row_cnt; i++) {
    const tf_event_t *row = &probe.rows[i];
    hash = mix(mix(hash, (uint64_t)row->u.level.price), (uint64_t)row->u.level.qty);
    hash = mix(hash, (uint64_t)row->price_exp << 8 | (uint8_t)row->qty_exp);
  }
  if (probe.json.root_kind != TF_JSON_OBJECT) return hash;
  hash = mix_object(hash, &probe, &probe.root);
  return tf_json_seen(&probe.root, PROBE_DATA) ? mix_object(hash, &probe, &probe.data) : hash;
}
