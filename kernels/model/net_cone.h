/* What a value is made of: the nodes between it and another one, its root, where all they read besides are constants of one number. Such a
 * cone is a function of its root; what function, is found by evaluating it in double at chosen places and comparing:
 * so it does not matter which of many ways to write gelu or a layer norm an exporter took. Control plane only. */
#ifndef TF_KERNELS_MODEL_NET_CONE_H
#define TF_KERNELS_MODEL_NET_CONE_H

#include "model/net_edit.h"

#define TF_NET_CONE_NODES_MAX  24u
#define TF_NET_CONE_VALUES_MAX (3u * TF_NET_CONE_NODES_MAX)

typedef enum tf_net_cone_kind {
  TF_NET_CONE_VALUES, /* value by value */
  TF_NET_CONE_ROWS,   /* and means and sums of a row, along the last axis */
} tf_net_cone_kind_t;

typedef struct tf_net_cone {
  tf_net_cone_kind_t kind;
  uint32_t           root, top; /* values */
  uint32_t           cnt;
  uint32_t nodes[TF_NET_CONE_NODES_MAX]; /* each behind those it reads; the last gives top */
} tf_net_cone_t;

/* Values that top could be a function of, as far as cones go: top's own inputs, theirs, and so on. */
uint32_t tf_net_cone_roots(const tf_net_t *net, tf_net_cone_kind_t kind, uint32_t top,
                           uint32_t roots[TF_NET_CONE_VALUES_MAX]);

/* Whether there is a cone from root to top, of the same shape, whose nodes nothing else reads (top apart). */
bool tf_net_cone_find(const tf_net_edit_t *e, tf_net_cone_kind_t kind, uint32_t root, uint32_t top,
                      tf_net_cone_t *cone);

/* top for root's values x: rows rows of width, as many come out. E_CORE_NO_MEMORY. */
tf_err_t tf_net_cone_eval(const tf_net_t *net, const tf_net_cone_t *cone, uint32_t rows,
                          uint32_t width, const double *x, double *out);

/* The names of its nodes in one (net_pass.h). target: TF_NET_NAME_BYTES. */
void tf_net_cone_name(const tf_net_t *net, const tf_net_cone_t *cone, char *target);

#endif
