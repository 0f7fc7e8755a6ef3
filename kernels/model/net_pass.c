#include "model/net_pass.h"

#include "core/error.h"

static const tf_net_pass_t passes[] = {
    {"constants", "what constants say alone is computed at import",                 tf_net_pass_constants},
    {"common",    "equal nodes over equal values are one",                          tf_net_pass_common   },
    {"known",     "functions of one value that were taken apart: gelu, silu, ..",   tf_net_pass_known    },
    {"norm",      "norms of rows that were taken apart, and their scale and shift", tf_net_pass_norm     },
    {"scale",     "scales and shifts go into the weights before them",              tf_net_pass_scale    },
    {"moves",     "moves of values: joined, dropped, or left to the product",       tf_net_pass_moves    },
    {"conv",      "values around a convolution's input or output are its padding",  tf_net_pass_conv     },
    {"narrow",    "of what only a part is needed only that is computed",            tf_net_pass_narrow   },
};

const tf_net_pass_t *tf_net_pass_at(uint32_t idx) {
  return idx < TF_ARRAY_CNT(passes) ? &passes[idx] : NULL;
}

const tf_net_pass_t *tf_net_pass_find(const char *name) {
  for (size_t i = 0; i < TF_ARRAY_CNT(passes); i++)
    if (strcmp(passes[i].name, name) == 0) return &passes[i];
  return NULL;
}

tf_err_t tf_net_pass_run(const tf_net_pass_t *pass, tf_net_t *net, uint32_t *change_cnt) {
  tf_net_edit_t e;
  tf_err_t      err = tf_net_edit_begin(&e, net);
  *change_cnt       = 0;
  if (err) return err;
  const uint32_t cnt = net->node_cnt;
  for (uint32_t n = 0; n < cnt && !err; n++) {
    e.at = n;
    if (e.uses[net->nodes[n].out] > 0) err = pass->visit(&e, n);
  }
  *change_cnt      = e.change_cnt;
  tf_err_t settled = tf_net_edit_end(&e);
  if (settled) return settled;
  return err == E_CORE_NO_MEMORY ? err : TF_OK;
}

tf_err_t tf_net_pass_all(tf_net_t *net) {
  for (uint32_t round = 0; round < TF_NET_PASS_ROUNDS_MAX; round++) {
    uint32_t all = 0;
    for (size_t i = 0; i < TF_ARRAY_CNT(passes); i++) {
      uint32_t cnt;
      tf_err_t err = tf_net_pass_run(&passes[i], net, &cnt);
      if (err) return tf_error_add(err, "pass %s", passes[i].name);
      all += cnt;
    }
    if (all == 0) break;
  }
  return TF_OK;
}

void tf_net_pass_name(char *target, const char *const *names, uint32_t cnt) {
  size_t at = 0;
  target[0] = 0;
  for (uint32_t i = 0; i < cnt && at < TF_NET_NAME_BYTES; i++)
    at += (size_t)snprintf(target + at, TF_NET_NAME_BYTES - at, "%s%s", at ? " + " : "", names[i]);
}
