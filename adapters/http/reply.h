/* One HTTP reply being written: status, type, and a body that grows up to a bound. Used on the HTTP
 * thread only; control plane, mallocs. */
#ifndef TF_HTTP_REPLY_H
#define TF_HTTP_REPLY_H

#include "tf/base.h"

/* Room before the body, which libwebsockets may use (LWS_PRE is 16 and some). */
#define TF_REPLY_PRE_BYTES 64
/* 192 blocks with all their metrics are about 3 MiB. */
#define TF_REPLY_BYTES_MAX (16u * 1024 * 1024)

typedef struct tf_reply {
  int         status;
  const char *type;   /* Content-Type */
  char       *memory; /* TF_REPLY_PRE_BYTES, then the body */
  size_t      body_cnt, cap;
  bool        failed; /* no memory, or over the bound: the body is not whole */
} tf_reply_t;

/* An empty reply. reply: the caller's, not in use. */
void tf_reply_init(tf_reply_t *reply, int status, const char *type);
void tf_reply_fini(tf_reply_t *reply); /* accepts a zeroed one */

void tf_reply_add(tf_reply_t *reply, const char *fmt, ...) TF_PRINTF(2, 3);
void tf_reply_add_bytes(tf_reply_t *reply, const char *bytes, size_t bytes_cnt);

/* Text from outside, made safe for where it stands; what is not UTF-8 becomes '?'. */
void tf_reply_add_label(tf_reply_t *reply, const char *text); /* between a label's quotes */
void tf_reply_add_json(tf_reply_t *reply, const char *text);  /* between a string's quotes */
void tf_reply_add_html(tf_reply_t *reply, const char *text);  /* element content or attribute */

TF_INLINE char *tf_reply_body(const tf_reply_t *reply) {
  return reply->memory + TF_REPLY_PRE_BYTES;
}

#endif
