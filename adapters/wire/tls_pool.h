/* A bounded pool for OpenSSL's allocations on the data path. OpenSSL 3.0 takes a block of 40 bytes
 * for each record that it reads and three for each that it writes; a session ticket or key update
 * takes some fifty, the largest 22 KiB; a thread's first call takes its error queue. Lanes may not
 * call malloc, and with the pool none of these does.
 *
 * The pool is static: a slab for each size class, handed to threads in small batches. A block
 * belongs to the thread that holds or freed it, so it may be freed elsewhere than it was taken.
 * Only calls inside tf_tls_pool_enter and leave take from it, so that handshakes on a control
 * thread, whose objects live long, do not drain it. When a class is empty, or a block larger than
 * the largest is wanted, malloc serves and the miss is counted. A thread that ends keeps its free
 * blocks: at most a batch of each class more than it ever used at once. */
#ifndef WIRE_TLS_POOL_H
#define WIRE_TLS_POOL_H

#include "tf/base.h"

/* X(bytes of a block, blocks, blocks that a thread takes at once). Untouched ones cost no memory.
 * The largest holds OpenSSL's handshake buffer (21848 bytes). */
#define TF_TLS_POOL_CLASSES(X)                                                                     \
  X(64, 8192, 32)                                                                                  \
  X(256, 2048, 16)                                                                                 \
  X(1024, 512, 8)                                                                                  \
  X(4096, 128, 2)                                                                                  \
  X(24576, 64, 1)

/* Makes the pool OpenSSL's allocator for the whole process. Must run before OpenSSL has allocated
 * anything, so early in main; the contexts of tls.h try it too. Idempotent, any thread. false:
 * OpenSSL was in use already, all its allocations stay with malloc. */
bool tf_tls_pool_install(void);

/* Around calls into OpenSSL whose blocks the pool shall serve; they do not nest. */
void tf_tls_pool_enter(void);
void tf_tls_pool_leave(void);

/* Of the calling thread, since it began: blocks served, and allocations within enter and leave that
 * went to malloc. */
typedef struct tf_tls_pool_counts {
  uint64_t served, missed;
} tf_tls_pool_counts_t;

tf_tls_pool_counts_t tf_tls_pool_counts(void);

#endif
