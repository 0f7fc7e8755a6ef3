/* What makes a graph of tensor operations smaller before it is planned, and stored: a table of passes, each of which looks at one
 * node after the other and, where a part of the graph is a longer way of saying something, puts the shorter one in its
 * place. Answers stay what they were, to rounding: tests/kernels/model/test_net_pass.c measures each pass, oracle_families.py
 * all of them on what exporters wrote. A new node's name tells those that it was made of.
 *
 * To add one: a file net_pass_*.c with a function of the type below, and a row in net_pass.c. Control plane only. */
#ifndef TF_KERNELS_MODEL_NET_PASS_H
#define TF_KERNELS_MODEL_NET_PASS_H

#include "model/net_edit.h"

/* All passes one after the other, until none finds anything: a bound on how often. */
#define TF_NET_PASS_ROUNDS_MAX 64u

typedef struct tf_net_pass {
  const char *name;
  const char *what; /* for people */
  /* Looks at node, which is needed and in its place; e->at is it. TF_OK where there is nothing to do, too. Any error ends the
   * pass over this graph, which stays as far as it came: E_MODEL_UNSUPPORTED past the graph's limits. */
  tf_err_t (*visit)(tf_net_edit_t *e, uint32_t node);
} tf_net_pass_t;

/* The idx-th pass, in the order they run in; NULL past the last. */
const tf_net_pass_t *tf_net_pass_at(uint32_t idx);
const tf_net_pass_t *tf_net_pass_find(const char *name); /* or NULL */

/* One pass over net, once. change_cnt: how often it found something. E_CORE_NO_MEMORY. */
tf_err_t tf_net_pass_run(const tf_net_pass_t *pass, tf_net_t *net, uint32_t *change_cnt);
/* All of them. */
tf_err_t tf_net_pass_all(tf_net_t *net);

/* ---- the passes' functions ---- */

tf_err_t tf_net_pass_common(tf_net_edit_t *e, uint32_t node);
tf_err_t tf_net_pass_constants(tf_net_edit_t *e, uint32_t node);
tf_err_t tf_net_pass_conv(tf_net_edit_t *e, uint32_t node);
tf_err_t tf_net_pass_known(tf_net_edit_t *e, uint32_t node);
tf_err_t tf_net_pass_moves(tf_net_edit_t *e, uint32_t node);
tf_err_t tf_net_pass_narrow(tf_net_edit_t *e, uint32_t node);
tf_err_t tf_net_pass_norm(tf_net_edit_t *e, uint32_t node);
tf_err_t tf_net_pass_scale(tf_net_edit_t *e, uint32_t node);

/* "a + b + c", cut to a name's length: what a new node was made of. target: TF_NET_NAME_BYTES. */
void tf_net_pass_name(char *target, const char *const *names, uint32_t cnt);

#endif
