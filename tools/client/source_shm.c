/* shm:NAME, over tf/reader.h. A writer that has gone leaves its file; its successor puts another in its
 * place, with sequences that go on. So when ours is quiet for too long, or closed and we follow, the
 * name is looked at again every LOOK_NS. */
#include <string.h>

#include "client/client.h"
#include "core/error.h"
#include "tf/reader.h"

#define LOOK_NS (10 * TF_NS_PER_MS)

typedef struct shm {
  tf_reader_t reader;
  const char *name;
  char        path[TF_STREAM_PATH_BYTES];
  ino_t       inode; /* of the file that is read */
  uint64_t    look_ns;
  uint64_t    next_seq; /* that we want; UINT64_MAX, 0: options.resume_from says */
  bool        is_open;
  bool        is_down;    /* told, and no UP since */
  bool        has_record; /* in client->record, met while down */
  bool        has_lost;   /* lost_from .. next_seq - 1 are not in this file */
  uint64_t    lost_from;
} shm_t;

/* The file that has the name now, and which it is: none is put in its place unseen. */
static tf_err_t reader_open(shm_t *shm, tf_reader_t *reader, ino_t *inode) {
  struct stat before, after;
  for (;;) {
    bool     was_there = stat(shm->path, &before) == 0;
    tf_err_t err       = tf_reader_open(shm->name, reader);
    if (err) return TF_ERR(err, "%s", reader->error);
    *inode = before.st_ino;
    if (was_there && stat(shm->path, &after) == 0 && before.st_ino == after.st_ino) return TF_OK;
    tf_reader_close(reader);
  }
}

/* Where to begin in a file that was just opened; returns the reason of its UP. */
static uint32_t position(tf_client_t *client) {
  shm_t             *shm  = client->state;
  tf_bcast_reader_t *ring = &shm->reader.ring;
  uint64_t           want = shm->next_seq, head = ring->next_seq;
  if (want == TF_CLIENT_NEXT) return TF_CLIENT_REASON_NONE;
  tf_bcast_seek_oldest(ring);
  if (want == TF_CLIENT_OLDEST) return TF_CLIENT_REASON_NONE;
  if (want > head) return TF_CLIENT_REASON_RESTARTED;
  shm->has_lost  = want < ring->first_seq;
  shm->lost_from = want;
  ring->next_seq = shm->has_lost ? ring->first_seq : want; /* what is overwritten is an overrun */
  return TF_CLIENT_REASON_NONE;
}

static tf_client_kind_t up(tf_client_t *client, tf_client_message_t *message, uint32_t reason,
                           uint64_t seq) {
  shm_t *shm           = client->state;
  shm->is_down         = false;
  client->epoch        = tf_reader_epoch(&shm->reader);
  client->record_bytes = sizeof(tf_decision_t);
  return tf_client_say(client, message, TF_CLIENT_UP, reason, seq);
}

static tf_client_kind_t down(tf_client_t *client, tf_client_message_t *message, uint32_t reason) {
  shm_t *shm = client->state;
  if (shm->is_down) return TF_CLIENT_IDLE;
  shm->is_down = true;
  return tf_client_say(client, message, TF_CLIENT_DOWN, reason, 0);
}

/* Nothing is to be had here: has the name another file? */
static tf_client_kind_t look(tf_client_t *client, tf_client_message_t *message, uint32_t reason) {
  static const tf_reader_t none;
  shm_t                   *shm = client->state;
  struct stat              st;
  tf_reader_t              reader = none;
  uint64_t                 now_ns = tf_stream_clock_ns();
  if (shm->is_down && now_ns < shm->look_ns) return TF_CLIENT_IDLE;
  shm->look_ns  = now_ns + LOOK_NS;
  bool is_other = stat(shm->path, &st) == 0 && (!shm->is_open || st.st_ino != shm->inode);
  if (!is_other || reader_open(shm, &reader, &shm->inode) != TF_OK)
    return down(client, message, reason);
  if (shm->is_open) shm->next_seq = shm->reader.ring.next_seq;
  tf_reader_close(&shm->reader);
  shm->reader  = reader;
  shm->is_open = true;
  if (client->options.silent_ns) shm->reader.dead_after_ns = client->options.silent_ns;
  uint32_t begun = position(client);
  return up(client, message, begun, shm->reader.ring.next_seq);
}

static tf_client_kind_t dead(tf_client_t *client, tf_client_message_t *message) {
  shm_t *shm = client->state;
  if (!shm->is_down)
    tf_client_set_error(client, "%s: no sign of life from its writer (pid %u)", shm->name,
                        tf_reader_writer_pid(&shm->reader));
  return look(client, message, TF_CLIENT_REASON_SILENT);
}

static tf_client_kind_t closed(tf_client_t *client, tf_client_message_t *message) {
  shm_t *shm = client->state;
  if (!shm->is_down) tf_client_set_error(client, "%s: the engine closed it", shm->name);
  if (client->options.flags & TF_CLIENT_FOLLOW)
    return look(client, message, TF_CLIENT_REASON_CLOSED);
  return tf_client_say(client, message, TF_CLIENT_END, TF_CLIENT_REASON_CLOSED, 0);
}

static tf_client_kind_t lost(tf_client_t *client, tf_client_message_t *message, uint32_t reason,
                             uint64_t from, uint64_t to) {
  return tf_client_say_lost(client, message, reason, from, to, to - from + 1);
}

static tf_client_kind_t shm_next(tf_client_t *client, tf_client_message_t *message) {
  shm_t             *shm  = client->state;
  tf_bcast_reader_t *ring = &shm->reader.ring;
  if (TF_UNLIKELY(!shm->is_open)) return look(client, message, TF_CLIENT_REASON_ABSENT);
  if (TF_UNLIKELY(shm->has_record)) {
    shm->has_record = false;
    return tf_client_say_record(client, message, tf_reader_seq(&shm->reader));
  }
  if (TF_UNLIKELY(shm->has_lost)) {
    shm->has_lost = false;
    return lost(client, message, TF_CLIENT_REASON_HISTORY, shm->lost_from, ring->next_seq - 1);
  }
  switch (tf_reader_next(&shm->reader, (tf_decision_t *)(void *)client->record)) {
  case TF_READER_READ:
    if (TF_LIKELY(!shm->is_down))
      return tf_client_say_record(client, message, tf_reader_seq(&shm->reader));
    shm->has_record = true;
    return up(client, message, TF_CLIENT_REASON_NONE, tf_reader_seq(&shm->reader));
  case TF_READER_OVERRUN:
    return lost(client, message, TF_CLIENT_REASON_OVERRUN, ring->lost_from, ring->lost_to);
  case TF_READER_DEAD: return dead(client, message);
  case TF_READER_CLOSED: return closed(client, message);
  case TF_READER_EMPTY: break;
  }
  /* Behind DEAD the heartbeat was looked at: EMPTY says that it is fresh. */
  if (TF_UNLIKELY(shm->is_down)) return up(client, message, TF_CLIENT_REASON_NONE, ring->next_seq);
  return TF_CLIENT_IDLE;
}

static tf_err_t shm_open_source(tf_client_t *client, const char *rest) {
  shm_t *shm    = client->state;
  shm->name     = rest;
  shm->next_seq = client->options.resume_from;
  if (client->carries != TF_CARRIES_DECISIONS)
    return TF_ERR(E_SHM_LAYOUT, "a shm stream carries decisions, and nothing else");
  if (!tf_stream_path(rest, shm->path))
    return TF_ERR(E_SHM_OPEN, "a stream's name is 1 to 64 of A-Z a-z 0-9 . _ -");
  tf_reader_t reader;
  ino_t       inode;
  tf_err_t    err = reader_open(shm, &reader, &inode);
  tf_client_set_error(client, "%s", err ? tf_error_text() : "");
  if (err == E_SHM_LAYOUT) return err;
  if (err) return client->options.flags & TF_CLIENT_OPEN_LATER ? TF_OK : err;
  tf_reader_close(&reader); /* next opens it, as it does each of its successors */
  return TF_OK;
}

static void shm_close_source(tf_client_t *client) {
  tf_reader_close(&((shm_t *)client->state)->reader);
}

static const char *shm_name(const tf_client_t *client, uint32_t id, int *price_exp) {
  const shm_t *shm = client->state;
  if (!shm->is_open) return NULL;
  *price_exp = tf_reader_instrument_price_exp(&shm->reader, id);
  return tf_reader_instrument_name(&shm->reader, id);
}

const tf_client_source_t tf_client_source_shm = {
    .scheme      = "shm:",
    .state_bytes = sizeof(shm_t),
    .is_polled   = true,
    .open        = shm_open_source,
    .next        = shm_next,
    .close       = shm_close_source,
    .name        = shm_name,
};
