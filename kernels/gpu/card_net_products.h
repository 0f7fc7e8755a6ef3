/* Products of a net on a card, and what is made of them: matmul, convolutions, recurrent layers. Control plane only; for card_net_ops.c. */
#ifndef TF_GPU_CARD_NET_PRODUCTS_H
#define TF_GPU_CARD_NET_PRODUCTS_H

#include "gpu/card_net_emit.h"

/* The ops of a call whose inputs and output are noted (tf_card_net_emit_touch_all). E_MODEL_UNSUPPORTED for what is too large,
 * E_MODEL_WEIGHTS, E_CORE_NO_MEMORY. */
tf_err_t tf_card_net_products_matmul(tf_card_net_emit_t *e);
tf_err_t tf_card_net_products_conv(tf_card_net_emit_t *e);
tf_err_t tf_card_net_products_recurrent(tf_card_net_emit_t *e);

/* A product in p's sizes, with batch_cnt, a and out set; source: of the first matrix, or of a computed one without its weight. Inputs and
 * output are noted. */
tf_err_t tf_card_net_products_add(tf_card_net_emit_t *e, tf_card_net_product_t *p,
                                  const tf_mat_source_t *source, tf_card_net_place_t out);

/* The cell of a recurrent layer; NULL for another op. */
const tf_card_net_cell_t *tf_card_net_products_cell(const tf_tensor_use_t *use);

#endif
