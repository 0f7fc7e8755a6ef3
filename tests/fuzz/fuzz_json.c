/* The JSON scanner: with predictions and layouts learned from earlier inputs, and with none, it must say the
 * same of every input and of what comes of it by changed bytes, whatever the pad behind it holds; and every number text
 * must come back.
 * LIBS: tf_json (include directories: tests/adapters/wire). */
#include "json_probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

#define INPUT_BYTES_MAX 65536u

static tf_json_orders_t  orders[3];
static tf_json_layouts_t layouts;
static probe_t           probe, other;
static bool              is_ready;

static void check_number(const char *text, size_t text_bytes) {
  int64_t mantissa, again;
  int8_t  exp, again_exp;
  char    out[TF_DECIMAL_TEXT_BYTES];
  if (tf_decimal_parse(text, text_bytes, &mantissa, &exp) != TF_DECIMAL_OK) return;
  size_t n = tf_decimal_format(mantissa, exp, out);
  if (exp < -40 || mantissa == 0) return; /* may have more digits than are read */
  TF_ASSERT(tf_decimal_parse(out, n, &again, &again_exp) == TF_DECIMAL_OK);
  TF_ASSERT(again == mantissa && again_exp == exp);
}

/* A message whose layout is known, with a few other bytes. */
static void check_changed(char *one, char *two, size_t bytes_cnt) {
  uint64_t state = bytes_cnt;
  for (size_t i = 0; i < bytes_cnt; i++) state = state * 31 + (uint8_t)one[i];
  for (int round = 0; round < 16; round++) {
    state           = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    size_t at       = (size_t)(state >> 33) % bytes_cnt;
    char   was      = one[at];
    bool   is_digit = was >= '0' && was <= '9' && round % 2;
    one[at] = two[at] = is_digit ? (char)('0' + (state >> 20) % 10) : (char)(state >> 20);
    probe_read_known(&probe, NULL, &layouts, one, bytes_cnt);
    probe_read(&other, NULL, two, bytes_cnt);
    TF_ASSERT(probe_same(&probe, &other));
    one[at] = two[at] = was;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  static char one[INPUT_BYTES_MAX + TF_BYTES_PAD], two[INPUT_BYTES_MAX + TF_BYTES_PAD];
  if (bytes_cnt > INPUT_BYTES_MAX) return 0;
  if (!is_ready) {
    tf_json_orders_init(&orders[0]);
    tf_json_orders_init(&orders[1]);
    tf_json_orders_init(&orders[2]);
    tf_json_layouts_init(&layouts);
    is_ready = true;
  }
  if (bytes_cnt > 0) {
    memcpy(one, bytes, bytes_cnt);
    memcpy(two, bytes, bytes_cnt);
  }
  /* one pad as if the message went on, one as if it did not */
  for (size_t i = 0; i < TF_BYTES_PAD; i++) one[bytes_cnt + i] = "0\"],}[{:"[i % 8];
  memset(two + bytes_cnt, 0, TF_BYTES_PAD);
  for (int round = 0; round < 2; round++) { /* unlearned perhaps, then learned */
    probe_read(&probe, orders, one, bytes_cnt);
    probe_read(&other, NULL, two, bytes_cnt);
    TF_ASSERT(probe_same(&probe, &other));
    layouts.credit = UINT32_MAX / 2; /* each may be learned */
    probe_read_known(&probe, NULL, &layouts, one, bytes_cnt);
    TF_ASSERT(probe_same(&probe, &other));
  }
  if (bytes_cnt > 0 && bytes_cnt <= TF_JSON_LAYOUT_BYTES) check_changed(one, two, bytes_cnt);
  check_number((const char *)bytes, bytes_cnt);
  return 0;
}
