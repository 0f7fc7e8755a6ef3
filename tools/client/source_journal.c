/* journal:FILE, over file/journal_reader.h. Behind the end of FILE come FILE.1, FILE.2 ..., which a
 * journal begins when its file fails: what was not known to be on disk stands there again, and is left
 * out here. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/client.h"
#include "core/error.h"
#include "file/journal_key.h"
#include "file/journal_reader.h"

#define SEGMENT_SUFFIX_BYTES 12u
#define PATH_BYTES           (TF_CLIENT_URL_BYTES_MAX + SEGMENT_SUFFIX_BYTES)

typedef struct journal {
  tf_journal_reader_t reader;
  tf_journal_key_t    key;
  const char         *file;
  char                path[PATH_BYTES]; /* of the segment in hand */
  uint32_t            segment;
  int                 notify_fd;              /* inotify of the file's folder */
  uint64_t            next_seq;               /* 0: none was seen */
  uint64_t            skip_to;                /* records before are not wanted */
  uint32_t            record_idx, record_cnt; /* of the block in hand */
  bool                told_up;
} journal_t;

static void segment_path(const journal_t *j, uint32_t segment, char path[PATH_BYTES]) {
  if (segment)
    snprintf(path, PATH_BYTES, "%s.%u", j->file, segment);
  else
    snprintf(path, PATH_BYTES, "%s", j->file);
}

static tf_err_t segment_open(tf_client_t *client, uint32_t segment) {
  journal_t *j = client->state;
  segment_path(j, segment, j->path);
  j->segment   = segment;
  tf_err_t err = tf_journal_reader_init(&j->reader, j->path);
  if (err || !client->options.key_file) return err;
  if (!(j->reader.file.flags & TF_JOURNAL_FLAG_KEYED))
    return TF_ERR(E_FILE_FORMAT, "%s has no MACs that a key could verify", j->path);
  tf_journal_reader_set_key(&j->reader, &j->key);
  return TF_OK;
}

/* At the end of a segment: whether there is another, and it is open now. An error is the end. */
static bool segment_next(tf_client_t *client, tf_err_t *err) {
  journal_t  *j = client->state;
  char        path[PATH_BYTES];
  struct stat st;
  segment_path(j, j->segment + 1, path);
  if (stat(path, &st) != 0 || st.st_size < TF_JOURNAL_HEADER_BYTES) return false;
  tf_journal_reader_fini(&j->reader);
  *err = segment_open(client, j->segment + 1);
  return true;
}

static void block_names(tf_client_t *client) {
  const journal_t               *j    = client->state;
  const tf_journal_instrument_t *rows = tf_journal_reader_instruments(&j->reader);
  for (uint32_t i = 0; i < tf_journal_reader_header(&j->reader)->record_cnt; i++)
    tf_client_name_put(client, rows[i].id, rows[i].price_exp, rows[i].name, sizeof rows[i].name);
}

/* Of a block that was just read: UP where another engine began to write it. */
static tf_client_kind_t block_take(tf_client_t *client, tf_client_message_t *message) {
  journal_t                       *j      = client->state;
  const tf_journal_block_header_t *header = tf_journal_reader_header(&j->reader);
  if (header->kind == TF_JOURNAL_INSTRUMENTS) block_names(client);
  if (header->kind != TF_JOURNAL_DECISIONS) return TF_CLIENT_IDLE;
  j->record_idx     = 0;
  j->record_cnt     = header->record_cnt;
  bool is_other     = j->next_seq != 0 && header->epoch != client->epoch;
  client->epoch     = header->epoch;
  bool is_restarted = is_other && header->first_seq < j->next_seq;
  if (is_restarted) j->next_seq = 0;
  if (!is_other || header->first_seq < j->skip_to) return TF_CLIENT_IDLE;
  return tf_client_say(client, message, TF_CLIENT_UP,
                       is_restarted ? TF_CLIENT_REASON_RESTARTED : TF_CLIENT_REASON_NONE,
                       header->first_seq);
}

/* The next record of the block in hand that is wanted; IDLE: none is left. */
static tf_client_kind_t record_take(tf_client_t *client, tf_client_message_t *message) {
  journal_t *j = client->state;
  while (j->record_idx < j->record_cnt) {
    const tf_decision_t *d    = &tf_journal_reader_decisions(&j->reader)[j->record_idx];
    uint64_t             seq  = d->decision_seq;
    uint64_t             from = j->next_seq > j->skip_to ? j->next_seq : j->skip_to;
    if (from != 0 && seq > from) {
      uint32_t reason = j->next_seq ? TF_CLIENT_REASON_MISSING : TF_CLIENT_REASON_HISTORY;
      j->next_seq     = seq;
      return tf_client_say_lost(client, message, reason, from, seq - 1, seq - from);
    }
    bool is_double = j->next_seq != 0 && seq < j->next_seq;
    j->record_idx++;
    client->counts.doubles += is_double;
    if (is_double) continue;
    j->next_seq = seq + 1;
    if (seq < j->skip_to) continue;
    j->skip_to = 0;
    memcpy(client->record, d, sizeof *d);
    return tf_client_say_record(client, message, seq);
  }
  return TF_CLIENT_IDLE;
}

static tf_client_kind_t loss_take(tf_client_t *client, tf_client_message_t *message) {
  journal_t               *j    = client->state;
  const tf_journal_loss_t *loss = &j->reader.loss;
  /* The last block may be on its way into the file. */
  if (loss->to_end && client->options.flags & TF_CLIENT_FOLLOW) return TF_CLIENT_IDLE;
  tf_journal_reader_error(&j->reader);
  tf_client_set_error(client, "%s", tf_error_text());
  uint64_t from = loss->seq_before + 1;
  if (loss->seq_after <= from) /* what is missing, if anything, shows when records come */
    return tf_client_say_lost(client, message, TF_CLIENT_REASON_DAMAGED, from, from - 1, 0);
  j->next_seq = loss->seq_after;
  return tf_client_say_lost(client, message, TF_CLIENT_REASON_DAMAGED, from, loss->seq_after - 1,
                            loss->seq_after - from);
}

static void notify_drain(const journal_t *j) {
  char events[4096] TF_ALIGNED(8);
  while (j->notify_fd >= 0 && read(j->notify_fd, events, sizeof events) > 0) {
  }
}

static tf_client_kind_t end_take(tf_client_t *client, tf_client_message_t *message) {
  if (client->options.flags & TF_CLIENT_FOLLOW) return TF_CLIENT_IDLE;
  tf_client_set_error(client, "the end of %s", ((journal_t *)client->state)->path);
  return tf_client_say(client, message, TF_CLIENT_END, TF_CLIENT_REASON_FILE_END, 0);
}

static tf_client_kind_t journal_next(tf_client_t *client, tf_client_message_t *message) {
  journal_t *j = client->state;
  if (!j->told_up) {
    j->told_up = true;
    return tf_client_say(client, message, TF_CLIENT_UP, TF_CLIENT_REASON_NONE, j->next_seq);
  }
  bool     is_drained = false;
  tf_err_t err        = TF_OK;
  for (;;) {
    tf_client_kind_t kind = record_take(client, message);
    if (kind != TF_CLIENT_IDLE) return kind;
    j->record_cnt = j->record_idx = 0;
    switch (tf_journal_reader_next(&j->reader)) {
    case TF_JOURNAL_READ_BLOCK: kind = block_take(client, message); break;
    case TF_JOURNAL_READ_LOSS: kind = loss_take(client, message); break;
    case TF_JOURNAL_READ_END:
      if (segment_next(client, &err)) break;
      /* Drained before the last look: what is written after it wakes who waits. */
      if (is_drained || j->notify_fd < 0) return end_take(client, message);
      notify_drain(j);
      is_drained = true;
      break;
    case TF_JOURNAL_READ_ERROR: err = tf_error_code(); break;
    }
    if (err) {
      tf_client_set_error(client, "%s", tf_error_text());
      return tf_client_say(client, message, TF_CLIENT_END, TF_CLIENT_REASON_DAMAGED, 0);
    }
    if (kind != TF_CLIENT_IDLE) return kind;
  }
}

/* ---- open and close ---- */

/* The folder: a segment more is a file more. */
static tf_err_t notify_open(tf_client_t *client) {
  journal_t         *j = client->state;
  char               folder[PATH_BYTES];
  const char        *slash  = strrchr(j->file, '/');
  struct epoll_event wanted = {.events = EPOLLIN};
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - j->file) + 1 : 1,
           slash ? j->file : ".");
  j->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (j->notify_fd < 0 ||
      inotify_add_watch(j->notify_fd, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0 ||
      epoll_ctl(client->poll_fd, EPOLL_CTL_ADD, j->notify_fd, &wanted) != 0)
    return TF_ERR(E_CORE_SYSTEM, "%s cannot be watched: %s", folder, strerror(errno));
  return TF_OK;
}

/* NEXT: behind what is there now. */
static void skip_all(tf_client_t *client) {
  journal_t          *j = client->state;
  tf_client_message_t message;
  j->skip_to = UINT64_MAX;
  for (;;) {
    tf_client_kind_t kind = journal_next(client, &message);
    if (kind == TF_CLIENT_IDLE || kind == TF_CLIENT_END) break;
  }
  j->skip_to       = 0;
  j->told_up       = false;
  client->is_ended = false;
  client->counts   = (tf_client_counts_t){0};
}

static tf_err_t journal_open_source(tf_client_t *client, const char *rest) {
  journal_t *j = client->state;
  j->reader.fd = j->notify_fd = -1;
  j->file                     = rest;
  client->record_bytes        = sizeof(tf_decision_t);
  if (client->carries != TF_CARRIES_DECISIONS)
    return TF_ERR(E_FILE_FORMAT, "a journal holds decisions, and nothing else");
  tf_err_t err = TF_OK;
  if (client->options.key_file) err = tf_journal_key_load(&j->key, client->options.key_file);
  if (!err) err = segment_open(client, 0);
  if (!err && client->options.flags & TF_CLIENT_FOLLOW) err = notify_open(client);
  if (err) return err;
  client->epoch = j->reader.file.epoch;
  uint64_t from = client->options.resume_from;
  if (from == TF_CLIENT_NEXT)
    skip_all(client);
  else
    j->skip_to = from;
  return TF_OK;
}

static void journal_close_source(tf_client_t *client) {
  journal_t *j = client->state;
  tf_journal_reader_fini(&j->reader);
  if (j->notify_fd >= 0) close(j->notify_fd);
}

const tf_client_source_t tf_client_source_journal = {
    .scheme      = "journal:",
    .state_bytes = sizeof(journal_t),
    .open        = journal_open_source,
    .next        = journal_next,
    .close       = journal_close_source,
};
