/* Reads a message against a shape with every kind of want, and compares two readings. Shared by
 * test_json.c and tests/fuzz/fuzz_json.c. */
#ifndef TESTS_WIRE_JSON_PROBE_H
#define TESTS_WIRE_JSON_PROBE_H

#include <string.h>

#include "tf/io.h"
#include "wire/json_layout.h"

enum {
  PROBE_E,
  PROBE_TIME,
  PROBE_P,
  PROBE_B,
  PROBE_A,
  PROBE_M,
  PROBE_LONG,
  PROBE_DATA,
  PROBE_ITEMS,
  PROBE_QTY,
  PROBE_W,
  PROBE_T, /* tuples, in data */
  PROBE_KEYS
};
enum { PLACE_U64, PLACE_DECIMAL, PLACE_TEXT, PLACE_LEVELS, PLACE_ITEM, PLACE_BYTES, PLACES };
#define PROBE_ROWS 512u

static const tf_json_key_t probe_keys[PROBE_KEYS] = {
    TF_JSON_KEY("e", TF_JSON_WANT_TEXT),
    TF_JSON_KEY("E", TF_JSON_WANT_U64),
    TF_JSON_KEY("p", TF_JSON_WANT_DECIMAL),
    TF_JSON_KEY("b", TF_JSON_WANT_LEVELS),
    TF_JSON_KEY("a", TF_JSON_WANT_LEVELS),
    TF_JSON_KEY("m", TF_JSON_WANT_BYTES),
    TF_JSON_KEY("lastUpdateIdOfAll", TF_JSON_WANT_U64),
    TF_JSON_KEY("data", TF_JSON_WANT_OBJECT),
    TF_JSON_KEY("items", TF_JSON_WANT_ITEMS),
    TF_JSON_KEY("new_quantity", TF_JSON_WANT_DECIMAL),
    TF_JSON_KEY("w", TF_JSON_WANT_WORD_LEVELS),
    TF_JSON_KEY("t", TF_JSON_WANT_ITEM)};
static const tf_json_shape_t probe_shape = {probe_keys, PROBE_KEYS};

static const tf_json_key_t probe_places[PLACES] = {
    TF_JSON_PLACE(TF_JSON_WANT_U64),  TF_JSON_PLACE(TF_JSON_WANT_DECIMAL),
    TF_JSON_PLACE(TF_JSON_WANT_TEXT), TF_JSON_PLACE(TF_JSON_WANT_LEVELS),
    TF_JSON_PLACE(TF_JSON_WANT_ITEM), TF_JSON_PLACE(TF_JSON_WANT_BYTES)};
static const tf_json_shape_t tuple_shape = {probe_places, PLACES};

typedef struct probe {
  tf_json_t        json;
  tf_json_object_t root, data, tuple;
  tf_json_value_t  root_values[PROBE_KEYS + 1], data_values[PROBE_KEYS + 1],
      tuple_values[PLACES + 1];
  tf_event_t rows[PROBE_ROWS];
} probe_t;

/* Each item leaves a row: what it had of p and new_quantity. */
static inline void probe_on_item(tf_json_t *json, tf_json_object_t *item) {
  tf_event_t *row = tf_json_put_row(json);
  if (row == NULL) return;
  const tf_json_value_t *p = &item->values[PROBE_P], *qty = &item->values[PROBE_QTY];
  if (tf_json_seen(item, PROBE_P) && p->made == TF_JSON_MADE_DECIMAL) {
    row->u.level.price = p->as.mantissa;
    row->price_exp     = p->exp;
  }
  if (tf_json_seen(item, PROBE_QTY) && qty->made == TF_JSON_MADE_DECIMAL) {
    row->u.level.qty = qty->as.mantissa;
    row->qty_exp     = qty->exp;
  }
}

/* Each tuple leaves one too: its number, its decimal, and what its other elements were. */
static inline void probe_on_tuple(tf_json_t *json, tf_json_object_t *tuple) {
  tf_event_t            *row = tf_json_put_row(json);
  const tf_json_value_t *v   = tuple->values;
  if (row == NULL) return;
  memset(row, 0, sizeof *row);
  if (tf_json_seen(tuple, PLACE_U64) && v[PLACE_U64].made == TF_JSON_MADE_U64)
    row->u.level.price = (int64_t)tf_json_u64(json, &v[PLACE_U64]);
  if (tf_json_seen(tuple, PLACE_DECIMAL) && v[PLACE_DECIMAL].made == TF_JSON_MADE_DECIMAL) {
    row->u.level.qty = v[PLACE_DECIMAL].as.mantissa;
    row->qty_exp     = v[PLACE_DECIMAL].exp;
  }
  for (uint32_t i = 0; i < PLACES; i++)
    if (tf_json_seen(tuple, i))
      row->u.level.venue_seq = row->u.level.venue_seq << 6 | v[i].kind << 3 | v[i].made;
  row->ts_event_ns = tuple->seen & ((1u << PLACES) - 1);
}

/* What was learned is used where it is given: orders are three. */
static inline tf_json_result_t probe_read_known(probe_t *probe, tf_json_orders_t *orders,
                                                tf_json_layouts_t *layouts, const char *bytes,
                                                size_t bytes_cnt) {
  memset(probe, 0, sizeof(*probe));
  probe->json.rows    = probe->rows;
  probe->json.row_cap = PROBE_ROWS;
  probe->data.shape   = &probe_shape;
  probe->data.orders  = orders == NULL ? NULL : &orders[1];
  probe->data.values  = probe->data_values;
  probe->data.on_item = probe_on_item;
  probe->root.shape   = &probe_shape;
  probe->root.orders  = orders;
  probe->root.values  = probe->root_values;
  probe->root.child   = &probe->data;
  probe->root.layouts = layouts;
  probe->data.child   = &probe->tuple;
  probe->data.other   = &probe->tuple;
  probe->tuple        = (tf_json_object_t){.shape    = &tuple_shape,
                                           .orders   = orders == NULL ? NULL : &orders[2],
                                           .values   = probe->tuple_values,
                                           .on_item  = probe_on_tuple,
                                           .is_tuple = true};
  return tf_json_read(&probe->json, bytes, bytes_cnt, &probe->root);
}

static inline tf_json_result_t probe_read(probe_t *probe, tf_json_orders_t *orders,
                                          const char *bytes, size_t bytes_cnt) {
  return probe_read_known(probe, orders, NULL, bytes, bytes_cnt);
}

static inline bool probe_same_value(const probe_t *x, const probe_t *y, const tf_json_value_t *a,
                                    const tf_json_value_t *b) {
  if (a->kind != b->kind || a->made != b->made || a->escaped != b->escaped) return false;
  switch ((tf_json_made_t)a->made) {
  case TF_JSON_MADE_DECIMAL: return a->as.mantissa == b->as.mantissa && a->exp == b->exp;
  case TF_JSON_MADE_U64: return tf_json_u64(&x->json, a) == tf_json_u64(&y->json, b);
  case TF_JSON_MADE_ITEMS:
  case TF_JSON_MADE_LEVELS:
    if (a->as.levels.first != b->as.levels.first || a->as.levels.cnt != b->as.levels.cnt) {
      return false;
    }
    break;
  case TF_JSON_MADE_NONE:
  case TF_JSON_MADE_BAD: break;
  }
  return a->bytes_cnt == b->bytes_cnt && memcmp(a->bytes, b->bytes, a->bytes_cnt) == 0;
}

static inline bool probe_same_object(const probe_t *x, const probe_t *y, const tf_json_object_t *a,
                                     const tf_json_object_t *b) {
  if ((a->seen ^ b->seen) & ((UINT64_C(1) << PROBE_KEYS) - 1)) return false;
  for (uint32_t i = 0; i < PROBE_KEYS; i++) {
    if (tf_json_seen(a, i) && !probe_same_value(x, y, &a->values[i], &b->values[i])) return false;
  }
  return true;
}

/* Both readings of messages that are equal byte for byte (at two places perhaps) say the same. */
static inline bool probe_same(const probe_t *x, const probe_t *y) {
  if (x->json.result != y->json.result) return false;
  if (x->json.result != TF_JSON_OK) return true;
  return x->json.root_kind == y->json.root_kind && x->json.row_cnt == y->json.row_cnt &&
         x->json.duplicate_key_cnt == y->json.duplicate_key_cnt &&
         x->json.element_cnt == y->json.element_cnt &&
         x->json.any_negative == y->json.any_negative &&
         memcmp(x->rows, y->rows, x->json.row_cnt * sizeof(x->rows[0])) == 0 &&
         probe_same_object(x, y, &x->root, &y->root) &&
         (!tf_json_seen(&x->root, PROBE_DATA) || probe_same_object(x, y, &x->data, &y->data));
}

#endif
