#include "file/tape_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"
#include "core/hash.h"

/* ---- the file --------------------------------------------------------------------------------*/

/* All of it at the tape's end, or the tape ends before it. */
static tf_err_t write_whole(tf_tape_writer_t *w, const void *bytes, size_t bytes_cnt) {
  for (size_t have = 0; have < bytes_cnt;) {
    ssize_t n =
        pwrite(w->fd, (const uint8_t *)bytes + have, bytes_cnt - have, (off_t)(w->offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) {
      have += (size_t)n;
      continue;
    }
    int why   = n < 0 ? errno : ENOSPC;
    w->failed = true;
    if (ftruncate(w->fd, (off_t)w->offset) != 0) errno = 0; /* a reader passes over the remains */
    return TF_ERR(E_FILE_WRITE, "%s: tape write at byte %llu: %s; what is before stays whole",
                  w->config.path, (unsigned long long)w->offset, strerror(why));
  }
  w->offset += bytes_cnt;
  return TF_OK;
}

static tf_err_t index_add(tf_tape_writer_t *w, const tf_tape_block_header_t *header) {
  if (w->index_cnt == w->index_cap) {
    uint64_t         cap   = w->index_cap ? 2 * w->index_cap : 64;
    tf_tape_entry_t *index = realloc(w->index, cap * sizeof *index);
    if (!index)
      return TF_ERR(E_CORE_NO_MEMORY, "%s: index of %llu blocks", w->config.path,
                    (unsigned long long)cap);
    w->index     = index;
    w->index_cap = cap;
  }
  w->index[w->index_cnt++] = (tf_tape_entry_t){.offset      = w->offset,
                                               .kind        = header->kind,
                                               .record_cnt  = header->record_cnt,
                                               .first_seq   = header->first_seq,
                                               .first_idx   = header->first_idx,
                                               .recv_ns_min = header->recv_ns_min,
                                               .recv_ns_max = header->recv_ns_max};
  return TF_OK;
}

/* Seals header and the payload that lies in w->bytes behind its place, and writes them. */
static tf_err_t block_write(tf_tape_writer_t *w, tf_tape_block_header_t *header) {
  uint8_t *payload    = w->bytes + sizeof *header;
  header->magic       = TF_TAPE_BLOCK_MAGIC;
  header->payload_crc = tf_crc32c(0, payload, header->payload_bytes);
  header->header_crc  = tf_tape_crc(header, sizeof *header);
  memcpy(w->bytes, header, sizeof *header);
  tf_err_t err = header->kind == TF_TAPE_INDEX ? TF_OK : index_add(w, header);
  return err ? err : write_whole(w, w->bytes, sizeof *header + header->payload_bytes);
}

/* The instruments that came since: they are named before the first event that uses them. */
static tf_err_t names_write(tf_tape_writer_t *w, uint32_t cnt) {
  while (w->named_cnt < cnt) {
    uint32_t n = cnt - w->named_cnt < TF_TAPE_BLOCK_INSTRUMENTS_MAX ? cnt - w->named_cnt
                                                                    : TF_TAPE_BLOCK_INSTRUMENTS_MAX;
    for (uint32_t i = 0; i < n; i++) {
      const tf_instrument_t *row  = &w->config.instruments->rows[w->named_cnt + i];
      tf_tape_instrument_t   name = {
            .id = row->id, .price_exp = INT8_MIN, .qty_exp = INT8_MIN, .multiplier = 1.0};
      if (tf_instrument_metadata(row) != TF_METADATA_NONE) { /* until then the decoder's alone */
        name.price_exp  = row->price_exp;
        name.qty_exp    = row->qty_exp;
        name.tick_size  = row->tick_size;
        name.lot_size   = row->lot_size;
        name.multiplier = row->multiplier;
        name.is_inverse = row->is_inverse;
        memcpy(name.quote_currency, row->quote_currency, sizeof name.quote_currency);
      }
      memcpy(name.name, row->name, sizeof name.name);
      memcpy(name.symbol, row->symbol, sizeof name.symbol);
      memcpy(w->bytes + sizeof(tf_tape_block_header_t) + i * sizeof name, &name, sizeof name);
    }
    tf_tape_block_header_t header = {.kind          = TF_TAPE_INSTRUMENTS,
                                     .record_cnt    = n,
                                     .payload_bytes = n * (uint32_t)sizeof(tf_tape_instrument_t),
                                     .first_seq     = w->named_cnt};
    tf_err_t               err    = block_write(w, &header);
    if (err) return err;
    w->named_cnt += n;
  }
  return TF_OK;
}

/* ---- events ----------------------------------------------------------------------------------*/

tf_err_t tf_tape_writer_flush(tf_tape_writer_t *w) {
  if (w->failed)
    return TF_ERR(E_FILE_WRITE, "%s: the tape ended at byte %llu", w->config.path,
                  (unsigned long long)w->offset);
  if (w->event_cnt == 0) return TF_OK;
  /* pairs with: the feed that appends the row */
  tf_err_t err = names_write(w, tf_load_acquire_u32(&w->config.instruments->cnt));
  if (err) return err;
  tf_tape_block_header_t header = {
      .kind = TF_TAPE_EVENTS, .first_idx = w->written_cnt, .hash_before = w->hash};
  tf_tape_block_encode(w->block, w->events, w->event_cnt, w->bytes + sizeof header, &header);
  for (uint32_t i = 0; i < w->event_cnt; i++) w->hash = tf_hash_line(w->hash, &w->events[i]);
  header.hash_after = w->hash;
  err               = block_write(w, &header);
  if (err) return err;
  w->written_cnt += w->event_cnt;
  w->event_cnt = 0;
  return TF_OK;
}

tf_err_t tf_tape_writer_append(tf_tape_writer_t *w, const tf_event_t *events, uint32_t event_cnt) {
  uint32_t cap = w->config.block_events;
  if (event_cnt <= cap && event_cnt > cap - w->event_cnt) {
    tf_err_t err = tf_tape_writer_flush(w);
    if (err) return err;
  }
  for (uint32_t taken = 0; taken < event_cnt;) {
    uint32_t n = event_cnt - taken < cap - w->event_cnt ? event_cnt - taken : cap - w->event_cnt;
    for (uint32_t i = 0; i < n; i++)
      if (events[taken + i].kind >= TF_EVENT_KIND_CNT)
        return TF_ERR(E_CORE_ARGUMENT, "%s: an event of kind %u; a tape holds kinds below %u",
                      w->config.path, events[taken + i].kind, TF_EVENT_KIND_CNT);
    memcpy(w->events + w->event_cnt, events + taken, n * sizeof *events);
    w->event_cnt += n;
    taken += n;
    if (w->event_cnt < cap) break;
    tf_err_t err = tf_tape_writer_flush(w);
    if (err) return err;
  }
  return w->failed ? tf_tape_writer_flush(w) : TF_OK;
}

/* ---- lifetime --------------------------------------------------------------------------------*/

static uint64_t wall_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return (uint64_t)ts.tv_sec * TF_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static tf_err_t header_write(tf_tape_writer_t *w) {
  tf_tape_file_header_t header = {.version       = TF_TAPE_VERSION,
                                  .header_bytes  = sizeof header,
                                  .event_version = TF_EVENT_VERSION,
                                  .event_bytes   = sizeof(tf_event_t),
                                  .created_ns    = wall_ns(),
                                  .config_hash   = w->config.config_hash};
  memcpy(header.magic, TF_TAPE_MAGIC, sizeof header.magic);
  if (w->config.source) snprintf(header.source, sizeof header.source, "%s", w->config.source);
  header.crc = tf_tape_crc(&header, sizeof header);
  return write_whole(w, &header, sizeof header);
}

static tf_err_t memory_take(tf_tape_writer_t *w) {
  size_t names   = TF_TAPE_BLOCK_INSTRUMENTS_MAX * sizeof(tf_tape_instrument_t);
  size_t entries = TF_TAPE_BLOCK_ENTRIES_MAX * sizeof(tf_tape_entry_t);
  size_t payload = tf_tape_block_bytes_max(w->config.block_events);
  if (payload < names) payload = names;
  if (payload < entries) payload = entries;
  w->bytes  = malloc(sizeof(tf_tape_block_header_t) + payload);
  w->events = malloc(w->config.block_events * sizeof *w->events);
  if (!w->bytes || !w->events)
    return TF_ERR(E_CORE_NO_MEMORY, "%s: memory for a tape's block", w->config.path);
  return tf_tape_block_start(&w->block, w->config.block_events, w->config.level);
}

static void memory_give(tf_tape_writer_t *w) {
  if (w->fd >= 0) close(w->fd);
  tf_tape_block_stop(w->block);
  free(w->bytes);
  free(w->events);
  free(w->index);
  *w = (tf_tape_writer_t){.fd = -1};
}

tf_err_t tf_tape_writer_init(tf_tape_writer_t *w, const tf_tape_writer_config_t *config) {
  *w = (tf_tape_writer_t){.config = *config, .fd = -1, .hash = TF_HASH_SEED};
  if (!w->config.block_events) w->config.block_events = TF_TAPE_BLOCK_EVENTS;
  if (!w->config.level) w->config.level = TF_TAPE_LEVEL;
  if (w->config.block_events > TF_TAPE_BLOCK_EVENTS_MAX || w->config.level < 1 ||
      w->config.level > 19)
    return TF_ERR(E_CORE_ARGUMENT,
                  "a tape of %u events a block at level %d; 1 to %d and 1 to 19 are allowed",
                  w->config.block_events, w->config.level, TF_TAPE_BLOCK_EVENTS_MAX);
  tf_err_t err = memory_take(w);
  if (!err) {
    w->fd = open(config->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (w->fd < 0)
      err = TF_ERR(E_FILE_OPEN, "%s: %s", config->path,
                   errno == EEXIST ? "exists already; remove it or name another file"
                                   : strerror(errno));
  }
  if (!err) {
    err = header_write(w);
    if (err) unlink(config->path);
  }
  if (err) memory_give(w);
  return err;
}

static tf_err_t index_write(tf_tape_writer_t *w) {
  for (uint64_t i = 0; i < w->index_cnt;) {
    uint64_t n =
        w->index_cnt - i < TF_TAPE_BLOCK_ENTRIES_MAX ? w->index_cnt - i : TF_TAPE_BLOCK_ENTRIES_MAX;
    tf_tape_block_header_t header = {.kind          = TF_TAPE_INDEX,
                                     .record_cnt    = (uint32_t)n,
                                     .payload_bytes = (uint32_t)(n * sizeof(tf_tape_entry_t)),
                                     .first_idx     = i};
    memcpy(w->bytes + sizeof header, w->index + i, n * sizeof *w->index);
    tf_err_t err = block_write(w, &header);
    if (err) return err;
    i += n;
  }
  return TF_OK;
}

static tf_err_t finish(tf_tape_writer_t *w) {
  tf_err_t err = tf_tape_writer_flush(w);
  /* pairs with: the feed that appends the row. A tape without events still has its names. */
  if (!err) err = names_write(w, tf_load_acquire_u32(&w->config.instruments->cnt));
  if (err) return err;
  tf_tape_trailer_t trailer = {.index_offset = w->offset,
                               .event_cnt    = w->written_cnt,
                               .events_hash  = w->hash,
                               .block_cnt    = w->index_cnt};
  err                       = index_write(w);
  if (err) return err;
  memcpy(trailer.magic, TF_TAPE_END_MAGIC, sizeof trailer.magic);
  trailer.file_bytes = w->offset + sizeof trailer;
  trailer.crc        = tf_tape_crc(&trailer, sizeof trailer);
  err                = write_whole(w, &trailer, sizeof trailer);
  if (!err && fsync(w->fd) != 0)
    err = TF_ERR(E_FILE_WRITE, "%s: fsync: %s", w->config.path, strerror(errno));
  return err;
}

tf_err_t tf_tape_writer_fini(tf_tape_writer_t *w) {
  if (!w->config.path) return TF_OK;
  tf_err_t err = finish(w);
  memory_give(w);
  return err;
}
