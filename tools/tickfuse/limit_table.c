#include "limit_table.h"

#include <stdint.h>

#include "boot/config.h"
#include "boot/config_text.h"
#include "boot/config_tree.h"
#include "boot/expr.h"
#include "feed/resolver.h"
#include "feed/session.h"
#include "file/inflow.h"
#include "file/recording.h"
#include "http/http.h"
#include "model/graph.h"
#include "model/onnx_tensor.h"
#include "model/onnx_wire.h"
#include "model/safetensors.h"
#include "source/event_post.h"
#include "tf/base.h"
#include "wire/http.h"
#include "wire/json.h"
#include "wire/tls.h"
#include "wire/ws.h"

typedef struct limit {
  const char *input, *what, *constant;
  uint64_t    value;
  const char *unit, *where;
} limit_t;

static const limit_t limits[] = {
#define LIMIT(input, what, constant, unit, where)                                                  \
  {input, what, #constant, (uint64_t)(constant), unit, where},
#include "limit_table.def"
#undef LIMIT
};

static void print_json(FILE *out) {
  fprintf(out, "[");
  for (size_t i = 0; i < TF_ARRAY_CNT(limits); i++) {
    const limit_t *l = &limits[i];
    fprintf(out,
            "%s\n {\"input\": \"%s\", \"limit\": \"%s\", \"value\": %llu, \"unit\": \"%s\", "
            "\"constant\": \"%s\", \"where\": \"%s\"}",
            i ? "," : "", l->input, l->what, (unsigned long long)l->value, l->unit, l->constant,
            l->where);
  }
  fprintf(out, "\n]\n");
}

void tickfuse_print_limits(FILE *out, bool as_json) {
  if (as_json) {
    print_json(out);
    return;
  }
  fprintf(out, "%-13s %-38s %14s %-12s %s\n", "input", "limit", "value", "unit", "where");
  for (size_t i = 0; i < TF_ARRAY_CNT(limits); i++) {
    const limit_t *l = &limits[i];
    fprintf(out, "%-13s %-38s %14llu %-12s %s\n", l->input, l->what, (unsigned long long)l->value,
            l->unit, l->where);
  }
}
