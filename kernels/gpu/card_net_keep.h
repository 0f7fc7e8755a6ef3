/* What of a net's program lies in shared memory, and in how many blocks (card_net.h): values, then ops, then of the timed part's tensors
 * the smallest, then of the deferred part's, as long as there is room. Where one block has too little for all, the blocks of a cluster share
 * large products. Control plane only; for card_net.c. */
#ifndef TF_GPU_CARD_NET_KEEP_H
#define TF_GPU_CARD_NET_KEEP_H

#include "gpu/card_net_draft.h"

typedef struct tf_card_net_keep {
  uint32_t            block_cnt;
  tf_card_net_copy_t *copies;
  uint32_t            copy_cnt;
  uint32_t            room;   /* words of a block's shared memory */
  uint32_t           *shares; /* by segment: words of each block's part of it; 0: not shared */
  uint32_t            share_cnt;
} tf_card_net_keep_t;

/* Before the ops go into the image: how many blocks, which products they share, and what barriers that takes. wanted: so many blocks, which
 * share all they can; 0: as is best. E_CORE_NO_MEMORY. */
tf_err_t tf_card_net_keep_init(tf_card_net_keep_t *keep, tf_card_net_draft_t *d,
                               const tf_card_net_t *header, const tf_card_program_t *program,
                               uint32_t wanted);
void     tf_card_net_keep_fini(tf_card_net_keep_t *keep); /* accepts a zeroed one */

/* Behind that: what is kept, and in header how much; places in the image become places in what is kept. */
tf_err_t tf_card_net_keep_choose(tf_card_net_keep_t *keep, tf_card_net_draft_t *d,
                                 tf_card_net_t *header);

#endif
