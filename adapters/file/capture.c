#include "file/capture.h"

#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/log.h"
#include "tf/atomic.h"

#define WRITER_IDLE_NS (1 * TF_NS_PER_MS)
#define BLOCKED_NS     (50 * TF_NS_PER_US) /* between two looks of a tap that waits for room */
#define RETRY_NS       (100 * TF_NS_PER_MS)

/* ---- the tap: acquire's thread ---------------------------------------------------------------*/

static size_t room_of(tf_capture_t *c, size_t wanted) {
  size_t room = c->ring_mask + 1 - (size_t)(c->head - c->tail_seen);
  if (TF_LIKELY(room >= wanted)) return room;
  c->tail_seen = tf_load_acquire(&c->tail); /* pairs with: ring_take */
  return c->ring_mask + 1 - (size_t)(c->head - c->tail_seen);
}

static uint64_t ring_put(tf_capture_t *c, uint64_t at, const void *bytes, size_t cnt) {
  size_t begin = (size_t)at & c->ring_mask, to_wrap = c->ring_mask + 1 - begin;
  size_t first = cnt < to_wrap ? cnt : to_wrap;
  memcpy(c->ring + begin, bytes, first);
  memcpy(c->ring, (const uint8_t *)bytes + first, cnt - first);
  return at + cnt;
}

static TF_COLD void lose(tf_capture_t *c, const tf_tap_record_t *record) {
  if (c->records_lost == 0) tf_store_relaxed(&c->lost_first_ns, record->recv_ns); /* relaxed: gap */
  tf_store_relaxed(&c->lost_last_ns, record->recv_ns); /* relaxed: told by a later gap record */
  tf_count_add(&c->bytes_lost, record->bytes_cnt);
  tf_count_add(&c->records_lost, 1);
  if (!c->ended) tf_store_release(&c->ended, 1); /* pairs with: run_writer */
}

/* The policy at a full ring. True: there is room now. */
static TF_COLD bool wait_for_room(tf_capture_t *c, size_t bytes) {
  if (c->config.policy == TF_CAPTURE_STOP || bytes > c->ring_mask + 1) return false;
  tf_count_add(&c->blocked, 1);
  uint64_t begin_ns = tf_clock_monotonic_ns();
  while (room_of(c, bytes) < bytes) {
    /* relaxed: a flag, nothing else is read on its word */
    if (tf_load_relaxed(&c->failed)) return false;
    if (tf_clock_monotonic_ns() - begin_ns >= TF_CAPTURE_BLOCK_NS_MAX) return false;
    nanosleep(&(struct timespec){.tv_nsec = BLOCKED_NS}, NULL);
  }
  return true;
}

static void on_record(void *self, const tf_tap_record_t *record) {
  tf_capture_t *c            = self;
  size_t        target_bytes = record->target ? strlen(record->target) + 1 : 0;
  size_t        bytes = sizeof(tf_capture_record_t) + target_bytes + (size_t)record->bytes_cnt;
  if (TF_UNLIKELY(c->ended || target_bytes > TF_CAPTURE_TARGET_BYTES_MAX ||
                  record->bytes_cnt > TF_CAPTURE_RECORD_BYTES_MAX)) {
    lose(c, record);
    return;
  }
  if (TF_UNLIKELY(room_of(c, bytes) < bytes) && !wait_for_room(c, bytes)) {
    lose(c, record);
    return;
  }
  tf_capture_record_t head = {.bytes_cnt    = record->bytes_cnt,
                              .source_idx   = record->source_idx,
                              .recv_ns      = record->recv_ns,
                              .target_bytes = (uint16_t)target_bytes,
                              .kind         = record->kind,
                              .frame_kind   = record->frame_kind,
                              .leg          = record->leg};
  uint64_t            at   = ring_put(c, c->head, &head, sizeof head);
  if (target_bytes) at = ring_put(c, at, record->target, target_bytes);
  if (record->bytes_cnt) at = ring_put(c, at, record->bytes, record->bytes_cnt);
  tf_count_add(&c->records_taken, 1);
  tf_store_release(&c->head, at); /* pairs with: block_fill */
}

tf_tap_t tf_capture_tap(tf_capture_t *c) { return (tf_tap_t){.self = c, .on_record = on_record}; }

/* ---- the writer thread -----------------------------------------------------------------------*/

static void ring_get(const tf_capture_t *c, uint64_t at, void *bytes, size_t cnt) {
  size_t begin = (size_t)at & c->ring_mask, to_wrap = c->ring_mask + 1 - begin;
  size_t first = cnt < to_wrap ? cnt : to_wrap;
  memcpy(bytes, c->ring + begin, first);
  memcpy((uint8_t *)bytes + first, c->ring, cnt - first);
}

static void block_note(tf_capture_t *c, uint64_t recv_ns, size_t bytes) {
  if (c->block_records == 0) {
    c->block_first_ns = c->block_last_ns = recv_ns;
    c->block_begin_ns                    = tf_clock_monotonic_ns();
  }
  if (recv_ns < c->block_first_ns) c->block_first_ns = recv_ns;
  if (recv_ns > c->block_last_ns) c->block_last_ns = recv_ns;
  c->block_bytes += (uint32_t)bytes;
  c->block_records++;
}

/* Moves whole records from the ring into the block until that is full. True if there were any. */
static bool block_fill(tf_capture_t *c) {
  uint64_t head = tf_load_acquire(&c->head); /* pairs with: on_record */
  bool     any  = false;
  while (c->tail != head && c->block_bytes < TF_CAPTURE_BLOCK_BYTES) {
    tf_capture_record_t rec;
    ring_get(c, c->tail, &rec, sizeof rec);
    size_t bytes = sizeof rec + rec.target_bytes + (size_t)rec.bytes_cnt;
    TF_ASSERT(c->block_bytes + bytes <= TF_CAPTURE_RAW_BYTES_MAX);
    ring_get(c, c->tail, c->block + c->block_bytes, bytes);
    tf_store_release(&c->tail, c->tail + bytes); /* pairs with: room_of */
    block_note(c, rec.recv_ns, bytes);
    any = true;
  }
  return any;
}

/* Counters for other threads. */
static void counts_show(tf_capture_t *c) {
  const tf_capture_writer_counts_t *w = &c->writer.counts;
  /* relaxed: lone words, read as they are */
  tf_store_relaxed(&c->records_written, w->records);         /* relaxed: as above */
  tf_store_relaxed(&c->records_durable, w->records_durable); /* relaxed: as above */
  tf_store_relaxed(&c->bytes_stored, w->bytes_stored);       /* relaxed: as above */
  tf_store_relaxed(&c->files, w->files);                     /* relaxed: as above */
  tf_store_relaxed(&c->write_errors, w->write_errors);       /* relaxed: as above */
}

static TF_COLD void writer_refused(tf_capture_t *c, uint64_t now_ns) {
  bool is_first = c->writer.counts.write_errors <= 1;
  c->retry_ns   = now_ns + RETRY_NS;
  if (tf_capture_writer_failed(&c->writer)) {
    tf_store_relaxed(&c->failed, 1); /* relaxed: a flag */
    tf_log(TF_LOG_ERROR, "capture_failed", "text=\"%s\"", c->writer.error);
  } else if (is_first) {
    tf_log(TF_LOG_WARN, "capture_waits", "text=\"%s\"", c->writer.error);
  }
}

static bool block_write(tf_capture_t *c, uint64_t now_ns) {
  tf_capture_block_t block = {.bytes      = c->block,
                              .bytes_cnt  = c->block_bytes,
                              .record_cnt = c->block_records,
                              .first_ns   = c->block_first_ns,
                              .last_ns    = c->block_last_ns};
  tf_err_t           err   = tf_capture_writer_append(&c->writer, &block, tf_clock_wall_ns());
  counts_show(c);
  if (err) {
    writer_refused(c, now_ns);
    return false;
  }
  c->told_written = c->told;
  c->gap_records += c->block_gaps;
  c->block_bytes = c->block_records = c->block_gaps = 0;
  c->retry_ns                                       = 0;
  return true;
}

static void gap_put(tf_capture_t *c, const tf_capture_gap_t *gap) {
  tf_capture_record_t rec = {.bytes_cnt  = sizeof *gap,
                             .source_idx = UINT32_MAX,
                             .recv_ns    = gap->last_ns,
                             .kind       = TF_CAPTURE_GAP};
  memcpy(c->block + c->block_bytes, &rec, sizeof rec);
  memcpy(c->block + c->block_bytes + sizeof rec, gap, sizeof *gap);
  block_note(c, gap->last_ns, sizeof rec + sizeof *gap);
  c->block_gaps++;
}

/* Says what is missing that was not said before. Only once the ring is empty and ended. */
static TF_COLD void gap_note(tf_capture_t *c) {
  /* relaxed: counters of a capture that is over; what comes later is told when it stops */
  uint64_t cnt = tf_load_relaxed(&c->records_lost), bytes = tf_load_relaxed(&c->bytes_lost);
  uint64_t first_ns = tf_load_relaxed(&c->lost_first_ns); /* relaxed: as above */
  uint64_t last_ns  = tf_load_relaxed(&c->lost_last_ns);  /* relaxed: as above */
  if (cnt == c->told.record_cnt || c->block_bytes >= TF_CAPTURE_BLOCK_BYTES) return;
  tf_capture_gap_t gap = {.record_cnt = cnt - c->told.record_cnt,
                          .bytes      = bytes - c->told.bytes,
                          .first_ns   = c->told.record_cnt ? c->told.last_ns : first_ns,
                          .last_ns    = last_ns};
  if (c->told.record_cnt == 0)
    tf_log(TF_LOG_ERROR, "capture_broken", "dir=%s from_ns=%llu", c->config.writer.dir,
           (unsigned long long)first_ns);
  c->told = (tf_capture_gap_t){cnt, bytes, first_ns, last_ns};
  gap_put(c, &gap);
}

static void sync_due(tf_capture_t *c, uint64_t now_ns) {
  const tf_capture_writer_counts_t *w = &c->writer.counts;
  if (!c->config.sync_ns || now_ns - c->synced_ns < c->config.sync_ns) return;
  if (w->records_durable == w->records || !c->writer.is_open) return;
  c->synced_ns = now_ns;
  if (tf_capture_writer_sync(&c->writer)) writer_refused(c, now_ns);
  counts_show(c);
}

/* One pass. False when there was nothing to do. */
static bool writer_pass(tf_capture_t *c, bool is_last) {
  uint64_t now_ns = tf_clock_monotonic_ns();
  if (tf_capture_writer_failed(&c->writer)) return false;
  if (c->retry_ns && now_ns < c->retry_ns && !is_last) return false;
  bool any  = block_fill(c);
  now_ns    = tf_clock_monotonic_ns(); /* not before the block was begun */
  bool full = c->block_bytes >= TF_CAPTURE_BLOCK_BYTES;
  bool old  = c->block_records > 0 && now_ns - c->block_begin_ns >= c->config.flush_ns;
  if (c->block_records > 0 && (full || old || (is_last && !any)) && !block_write(c, now_ns))
    return false;
  sync_due(c, now_ns);
  return any || full;
}

static uint64_t unwritten_cnt(const tf_capture_t *c) {
  return c->records_taken - (c->writer.counts.records - c->gap_records);
}

/* The disk is still full at the end: instead of what waits, a block that says so, for which there may be
 * room; else the file stays without index and trailer. */
static TF_COLD void end_without_room(tf_capture_t *c) {
  c->unwritten         = unwritten_cnt(c);
  tf_capture_gap_t gap = {.record_cnt = c->unwritten + c->records_lost - c->told_written.record_cnt,
                          .bytes      = c->head - c->tail + c->block_bytes + c->bytes_lost,
                          .first_ns   = c->block_first_ns,
                          .last_ns    = c->records_lost ? c->lost_last_ns : c->block_last_ns};
  c->block_bytes = c->block_records = c->block_gaps = 0;
  gap_put(c, &gap);
  if (!block_write(c, tf_clock_monotonic_ns())) tf_capture_writer_give_up(&c->writer);
}

static void *run_writer(void *self) {
  tf_capture_t *c = self;
  tf_cpu_pin(-1, "tf:capture");
  for (;;) {
    uint64_t stopping = tf_load_acquire(&c->stopping); /* pairs with: tf_capture_stop */
    uint64_t ended    = tf_load_acquire(&c->ended);    /* pairs with: lose */
    if (writer_pass(c, stopping != 0)) continue;
    if (ended && c->tail == c->head && c->told.record_cnt == 0) gap_note(c);
    if (stopping) break;
    nanosleep(&(struct timespec){.tv_nsec = WRITER_IDLE_NS}, NULL);
  }
  gap_note(c);
  if (c->block_records > 0 && !tf_capture_writer_failed(&c->writer) &&
      !block_write(c, tf_clock_monotonic_ns()))
    end_without_room(c);
  return NULL;
}

/* ---- lifetime --------------------------------------------------------------------------------*/

static size_t block_cap(void) { return TF_CAPTURE_RAW_BYTES_MAX; }

size_t tf_capture_arena_bytes(const tf_capture_config_t *config) {
  return tf_capture_writer_arena_bytes(&config->writer) + config->ring_bytes + block_cap() +
         4 * TF_LINE_PAIR_BYTES;
}

tf_err_t tf_capture_start(tf_capture_t *c, const tf_capture_config_t *config, tf_arena_t *arena) {
  memset(c, 0, sizeof *c);
  c->config = *config;
  if (!tf_is_pow2(config->ring_bytes) || config->ring_bytes < 4096)
    return TF_ERR(E_CORE_ARGUMENT, "capture: a ring of %zu bytes; a power of two is wanted",
                  config->ring_bytes);
  c->ring_mask = config->ring_bytes - 1;
  c->ring      = tf_arena_take(arena, config->ring_bytes, TF_LINE_PAIR_BYTES);
  c->block     = tf_arena_take(arena, block_cap(), TF_LINE_PAIR_BYTES);
  if (!c->ring || !c->block) return tf_error_add(E_CORE_ARENA_FULL, "making a capture");
  tf_err_t err = tf_capture_writer_init(&c->writer, &config->writer, arena);
  if (err) return err;
  c->synced_ns  = tf_clock_monotonic_ns();
  int sys_errno = pthread_create(&c->thread, NULL, run_writer, c);
  if (sys_errno) {
    tf_capture_writer_fini(&c->writer);
    return TF_ERR(E_CORE_THREAD, "the capture's writer cannot be started: %s", strerror(sys_errno));
  }
  c->is_running = true;
  counts_show(c);
  return TF_OK;
}

tf_err_t tf_capture_stop(tf_capture_t *c) {
  if (!c->is_running) return TF_OK;
  tf_store_release(&c->stopping, 1); /* pairs with: run_writer */
  pthread_join(c->thread, NULL);
  c->is_running = false;
  if (tf_capture_writer_failed(&c->writer)) c->unwritten = unwritten_cnt(c);
  tf_err_t err = tf_capture_writer_fini(&c->writer);
  counts_show(c);
  if (c->unwritten)
    return TF_ERR(E_FILE_WRITE, "%s; %llu records were not written", c->writer.error,
                  (unsigned long long)c->unwritten);
  if (err) return err;
  if (c->records_lost)
    return TF_ERR(E_FILE_DAMAGED, "%s: the disk was too slow: %llu records are missing at the end",
                  c->config.writer.dir, (unsigned long long)c->records_lost);
  return TF_OK;
}

tf_capture_counts_t tf_capture_counts(const tf_capture_t *c) {
  /* relaxed: lone words of two writers, for people to look at; exact once both are at rest */
  uint64_t head = tf_load_relaxed(&c->head), tail = tf_load_relaxed(&c->tail);
  return (tf_capture_counts_t){
      .records_taken   = tf_load_relaxed(&c->records_taken),   /* relaxed: as above */
      .records_written = tf_load_relaxed(&c->records_written), /* relaxed: as above */
      .records_durable = tf_load_relaxed(&c->records_durable), /* relaxed: as above */
      .bytes_taken     = head,
      .bytes_stored    = tf_load_relaxed(&c->bytes_stored), /* relaxed: as above */
      .lag_bytes       = head > tail ? head - tail : 0,
      .records_lost    = tf_load_relaxed(&c->records_lost), /* relaxed: as above */
      .bytes_lost      = tf_load_relaxed(&c->bytes_lost),   /* relaxed: as above */
      .blocked         = tf_load_relaxed(&c->blocked),      /* relaxed: as above */
      .files           = tf_load_relaxed(&c->files),        /* relaxed: as above */
      .write_errors    = tf_load_relaxed(&c->write_errors), /* relaxed: as above */
      .ended           = tf_load_relaxed(&c->ended)};                 /* relaxed: as above */
}
