/* A handle from within, and what a source is to it. A source is one file, source_*.c: it turns what it
 * reads into messages; client.c does what all of them have in common. */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "client/tickfuse_client.h"
#include "tf/err.h"
#include "tf/labels.h"

#define TF_CLIENT_TIMEOUT_NS_DEFAULT (5 * TF_NS_PER_SEC)
#define TF_CLIENT_SILENT_NS_DEFAULT  TF_NS_PER_SEC

typedef struct tf_client_name {
  int32_t price_exp;
  char    name[64];
} tf_client_name_t;

typedef struct tf_client_source {
  const char *scheme; /* "tcp://" */
  size_t      state_bytes;
  bool        is_polled; /* it has nothing that poll_fd could watch */
  /* rest: of the URL behind the scheme, the handle's. May take memory, resolve names, load secrets; the
   * connection itself is next's. The thread's error record says why not. */
  tf_err_t (*open)(tf_client_t *client, const char *rest);
  /* Never blocks. IDLE only when nothing more can be had now. */
  tf_client_kind_t (*next)(tf_client_t *client, tf_client_message_t *message);
  void (*close)(tf_client_t *client); /* also of a source whose open failed */
  /* NULL: names come by tf_client_name_put. */
  const char *(*name)(const tf_client_t *client, uint32_t id, int *price_exp);
} tf_client_source_t;

struct tf_client {
  const tf_client_source_t *source;
  void                     *state;
  tf_client_options_t       options; /* its texts are the caller's: valid in open only */
  int                       poll_fd; /* epoll: what the source waits for; -1 */
  uint32_t                  epoch;
  uint32_t                  record_bytes, carries;
  bool                      is_ended, has_stash;
  uint32_t                  end_reason;
  tf_client_message_t       stash; /* what a wait has met */
  tf_client_counts_t        counts;
  tf_client_name_t         *names; /* TF_CLIENT_INSTRUMENTS_MAX; pages are touched as ids come */
  uint32_t                  name_cnt;
  char                      labels[TF_LABELS_MAX][TF_LABEL_BYTES]; /* "": not named */
  char                      url[TF_CLIENT_URL_BYTES_MAX];
  char                      error[TF_CLIENT_ERROR_BYTES];
  TF_ALIGNED(64) uint64_t record[TF_SINK_RECORD_BYTES_MAX / 8]; /* that a message points to */
};

extern const tf_client_source_t tf_client_source_shm, tf_client_source_journal,
    tf_client_source_unix, tf_client_source_tcp, tf_client_source_tls, tf_client_source_udp,
    tf_client_source_ws, tf_client_source_wss;

/* ---- messages, for sources ---- */

tf_client_kind_t tf_client_say(tf_client_t *client, tf_client_message_t *message,
                               tf_client_kind_t kind, uint32_t reason, uint64_t seq);
tf_client_kind_t tf_client_say_lost(tf_client_t *client, tf_client_message_t *message,
                                    uint32_t reason, uint64_t from, uint64_t to, uint64_t cnt);
/* The record stands in client->record. */
TF_INLINE tf_client_kind_t tf_client_say_record(tf_client_t *client, tf_client_message_t *message,
                                                uint64_t seq) {
  client->counts.records++;
  message->kind         = TF_CLIENT_RECORD;
  message->reason       = TF_CLIENT_REASON_NONE;
  message->seq          = seq;
  message->record       = client->record;
  message->record_bytes = client->record_bytes;
  message->carries      = client->carries;
  message->epoch        = client->epoch;
  return TF_CLIENT_RECORD;
}
void tf_client_set_error(tf_client_t *client, const char *fmt, ...) TF_PRINTF(2, 3);

/* Ids from TF_CLIENT_INSTRUMENTS_MAX on are left out, but for those of labels (TF_FRAME_LABEL_ID). name need not be terminated within name_bytes. */
void tf_client_name_put(tf_client_t *client, uint32_t id, int32_t price_exp, const char *name,
                        size_t name_bytes);

#endif
