#include "file/replay.h"

#include "core/clock.h"
#include "core/error.h"

/* Decompressed per idle poll of a paced replay: about 10 us of inflate, less than the p99 that a
 * paced run is there to measure. */
#define TOP_UP_STEP_BYTES UINT32_C(4096)
/* Idle polls closer to the next record than this do not decompress. */
#define TOP_UP_SLACK_NS UINT64_C(50000)

/* ---- hot -------------------------------------------------------------------------------------*/

static bool within(const tf_replay_t *replay, uint64_t recv_ns) {
  return recv_ns >= replay->from_ns && recv_ns < replay->to_ns;
}

/* The ledger's first row is kept by the recordings; the source shows its sum, once a poll. */
static void ledger_update(tf_replay_t *replay) {
  uint64_t read = 0, framed = 0, partial = 0, rejected = 0, unknown_ids = 0;
  for (uint32_t i = 0; i < replay->track_cnt; i++) {
    const tf_recording_counts_t *counts = &replay->tracks[i].recording.counts;
    read += counts->bytes_read;
    framed += counts->bytes_framed;
    partial += counts->bytes_partial;
    rejected += counts->bytes_rejected;
    const tf_tape_track_t *tape = replay->tracks[i].tape;
    if (!tape) continue;
    unknown_ids += tape->unknown_ids;
    read += tape->bytes_framed + tape->bytes_rejected;
    framed += tape->bytes_framed;
    rejected += tape->bytes_rejected;
  }
  tf_feed_counts_t *total = &replay->source.counts;
  total->messages += unknown_ids - replay->unknown_ids;
  total->rejected[TF_REJECT_INSTRUMENT] += unknown_ids - replay->unknown_ids;
  replay->unknown_ids           = unknown_ids;
  replay->source.bytes_rx       = read;
  replay->source.bytes_framed   = framed;
  replay->source.bytes_partial  = partial;
  replay->source.bytes_rejected = rejected;
}

static bool far_beyond(const tf_replay_t *replay, uint64_t recv_ns) {
  return recv_ns >= replay->to_ns && recv_ns - replay->to_ns >= TF_REPLAY_TO_SLACK_NS;
}

static TF_COLD void track_over(tf_replay_t *replay, tf_replay_track_t *track, bool damaged) {
  track->over = true;
  replay->source.disconnects++;
  if (damaged && replay->damaged_track < 0) replay->damaged_track = (int)(track - replay->tracks);
}

static bool tape_ready(tf_replay_t *replay, tf_replay_track_t *track) {
  tf_tape_track_t *tape = track->tape;
  track->has_record     = tf_tape_track_ready(tape);
  if (TF_LIKELY(track->has_record))
    track->record.recv_ns = tape->events[tape->begin].ts_recv_ns;
  else
    track_over(replay, track, !tf_tape_reader_is_whole(&tape->reader));
  return true;
}

/* Sees to it that the track has a record, or is over. False: it needs another call. */
static bool track_ready(tf_replay_t *replay, tf_replay_track_t *track) {
  if (track->tape) return tape_ready(replay, track);
  for (uint32_t skipped = 0; !track->has_record && !track->over; skipped++) {
    /* Records before from_ns cost no message; a poll passes over a bounded number of them. */
    if (skipped == 64 * TF_REPLAY_RECORDS_PER_POLL) return false;
    tf_recording_result_t result = tf_recording_next(&track->recording, &track->record);
    if (TF_UNLIKELY(result == TF_RECORDING_AGAIN)) return false;
    if (TF_UNLIKELY(result != TF_RECORDING_RECORD)) {
      track_over(replay, track, result == TF_RECORDING_DAMAGE);
    } else if (TF_LIKELY(within(replay, track->record.recv_ns)) ||
               track->record.tap == TF_TAP_SYMBOL) { /* later records count on it */
      track->has_record = true;
    } else if (far_beyond(replay, track->record.recv_ns)) {
      if (++track->beyond_cnt == TF_REPLAY_BEYOND_MAX) track_over(replay, track, false);
      continue;
    }
    track->beyond_cnt = 0;
  }
  return true;
}

/* The track whose record is next; NULL when all are over, or (*again) when one is not ready yet. */
static tf_replay_track_t *track_next(tf_replay_t *replay, bool *again) {
  tf_replay_track_t *first = NULL;
  *again                   = false;
  for (uint32_t i = 0; i < replay->track_cnt; i++) {
    tf_replay_track_t *track = &replay->tracks[i];
    if (!track->has_record && !track->over && !track_ready(replay, track)) {
      *again = true;
      return NULL;
    }
    if (!track->has_record) continue;
    if (!first || track->record.recv_ns < first->record.recv_ns) first = track;
  }
  return first;
}

static TF_COLD void count_fault(tf_feed_counts_t *counts, const tf_record_t *record) {
  tf_reject_t why = record->fault == TF_RECORD_TOO_LONG ? TF_REJECT_LIMIT : TF_REJECT_LINE;
  counts->messages++;
  counts->rejected[why]++;
  counts->sample[why].cnt++;
  counts->sample[why].offset = counts->messages;
  counts->sample[why].bytes_cnt =
      record->bytes_cnt < TF_REJECT_SAMPLE_BYTES ? record->bytes_cnt : TF_REJECT_SAMPLE_BYTES;
  memcpy(counts->sample[why].bytes, record->bytes, counts->sample[why].bytes_cnt);
}

static void publish(tf_replay_t *replay, tf_event_t *events, uint32_t event_cnt,
                    uint64_t origin_ticks) {
  tf_batch_t batch = {.events      = events,
                      .event_cnt   = event_cnt,
                      .origin_tsc  = origin_ticks,
                      .decoded_tsc = tf_clock_ticks()};
  replay->unpaced_left -= event_cnt < replay->unpaced_left ? event_cnt : replay->unpaced_left;
  replay->source.newest_recv_ns  = events[event_cnt - 1].ts_recv_ns;
  replay->source.newest_event_ns = events[event_cnt - 1].ts_event_ns;
  replay->source.publisher.publish(replay->source.publisher.self, &batch);
}

static void tape_publish(tf_replay_t *replay, tf_tape_track_t *tape, uint64_t origin_ticks) {
  tf_feed_counts_t *counts = &replay->source.counts;
  tf_event_t       *events = tape->events + tape->begin;
  uint32_t          cnt    = tape->message_cnt;
  counts->messages++;
  counts->msgs_data++;
  for (uint32_t i = 0; i < cnt; i++) counts->events[events[i].kind]++;
  tf_tape_track_take(tape);
  publish(replay, events, cnt, origin_ticks);
}

/* A symbol that came later: it gets the number that it had. */
static TF_COLD void symbol_obey(tf_legs_t *feed, const tf_record_t *record) {
  char     text[TF_SYMBOL_BYTES_MAX];
  uint32_t symbol, instrument_id;
  memcpy(text, record->bytes, record->bytes_cnt); /* the reader has looked at its length */
  text[record->bytes_cnt] = '\0';
  tf_legs_symbol(feed, text, &symbol, &instrument_id);
}

/* Events of a source that did not serve then are not published now. */
static void hold_back(tf_replay_t *replay, tf_feed_out_t *out) {
  const tf_replay_track_t *track = replay->current;
  uint32_t                 idx   = track->record.source_idx;
  if (!track->filters || track->record.tap == TF_TAP_CONTROL || idx >= track->feed_cnt) return;
  const tf_route_filter_t *f = &track->filters[idx];
  if (TF_LIKELY(!f->is_silent && !f->is_mapped)) return;
  uint32_t cnt   = out->event_cnt;
  out->event_cnt = tf_route_pass(f, out->events, cnt, out->events);
  replay->source.held_events += cnt - out->event_cnt;
}

/* What a decoder made of the record; nobody can answer what it asks for. */
static void on_out(void *self, uint32_t leg, tf_feed_out_t *out) {
  tf_replay_t *replay = self;
  (void)leg;
  TF_ASSERT(out->event_cnt <= out->event_cap);
  hold_back(replay, out);
  if (out->event_cnt) publish(replay, out->events, out->event_cnt, replay->origin_ticks);
  out->event_cnt = out->resync_cnt = out->answer_cnt = out->reply_bytes_cnt = 0;
  out->reconnect = out->leaving = false;
}

/* A command, or an event of a route's (adapters/feed/fallback.h): who serves from here on, or a tape's. */
static void obey_control(const tf_replay_track_t *track, tf_feed_out_t *out) {
  const tf_event_t *e = &out->events[0];
  if (e->kind < TF_EVENT_KIND_CNT) out->counts->events[e->kind]++;
  if (e->kind == TF_EVENT_CONTROL && e->u.control.command == TF_CONTROL_ROUTE)
    tf_route_obey(track->filters, track->feed_cnt, e);
}

TF_STATIC_ASSERT(TF_TAP_LEGS_MAX == TF_SOURCE_LEGS_MAX, "a record's leg is a source's");

static TF_COLD void count_end(tf_replay_t *replay, const tf_record_t *record) {
  if (record->kind < TF_LEG_END_CNT) replay->source.legs[record->leg].ends[record->kind]++;
}

/* What the record does to its feed, or to the stream itself. */
static void record_obey(tf_replay_t *replay, const tf_replay_track_t *track) {
  const tf_record_t *record = &track->record;
  tf_feed_out_t     *out    = &replay->out;
  if (TF_UNLIKELY(record->tap == TF_TAP_CONTROL)) {
    memcpy(&out->events[0], record->bytes, sizeof(tf_event_t));
    out->event_cnt = 1;
    out->counts->messages++; /* as the live source of commands counts it */
    out->counts->msgs_control++;
    obey_control(track, out);
    on_out(replay, 0, out);
    return;
  }
  if (TF_UNLIKELY(record->tap == TF_TAP_STATUS)) {
    memcpy(&out->events[0], record->bytes, sizeof(tf_event_t));
    out->event_cnt = 1;
    out->counts->events[TF_EVENT_STATUS]++;
    on_out(replay, 0, out);
    return;
  }
  tf_legs_t *feed = &track->feeds[record->source_idx];
  uint32_t   instrument_id;
  switch (record->tap) {
  case TF_TAP_LOSE:
    memcpy(&instrument_id, record->bytes, sizeof instrument_id);
    tf_legs_lose(feed, instrument_id, record->recv_ns);
    return;
  case TF_TAP_CONNECT: tf_legs_up(feed, record->leg, record->recv_ns); return;
  case TF_TAP_DISCONNECT:
    count_end(replay, record);
    tf_legs_down(feed, record->leg, record->recv_ns);
    return;
  case TF_TAP_RETIRE: tf_legs_retire(feed, record->leg); return;
  case TF_TAP_SYMBOL: symbol_obey(feed, record); return;
  case TF_TAP_WINDOW_END: tf_legs_pass_time(feed, record->recv_ns); return;
  default: break;
  }
  tf_frame_t frame = {.bytes     = record->bytes,
                      .bytes_cnt = record->bytes_cnt,
                      .kind      = record->kind,
                      .recv_ns   = record->recv_ns,
                      .target    = record->target};
  tf_legs_frame(feed, record->leg, &frame);
}

static void record_publish(tf_replay_t *replay, tf_replay_track_t *track, uint64_t origin_ticks) {
  track->has_record = false;
  replay->current   = track;
  if (track->tape) {
    tape_publish(replay, track->tape, origin_ticks);
    return;
  }
  if (TF_UNLIKELY(track->record.fault)) {
    count_fault(&replay->source.counts, &track->record);
    return;
  }
  replay->origin_ticks = origin_ticks;
  record_obey(replay, track);
}

/* When the record is due, in ticks. A line without time is due with what came before it. */
static uint64_t due_ticks(tf_replay_t *replay, const tf_record_t *record) {
  if (TF_UNLIKELY(!replay->started && !record->fault)) {
    replay->started       = true;
    replay->start_ticks   = tf_clock_ticks();
    replay->first_recv_ns = record->recv_ns;
  }
  if (!replay->started || record->recv_ns <= replay->first_recv_ns) return replay->start_ticks;
  double after_ticks = (double)(record->recv_ns - replay->first_recv_ns) * replay->ns_to_ticks;
  /* A wild time at a slow pace: 2^62 ticks are half a century. */
  if (after_ticks > 0x1p62) after_ticks = 0x1p62;
  return replay->start_ticks + (uint64_t)after_ticks;
}

static TF_COLD int finished(tf_replay_t *replay) {
  replay->source.feed_state = TF_FEED_DOWN;
  if (replay->damaged_track < 0 || replay->stopped) return TF_SOURCE_DONE;
  const tf_replay_track_t *track = &replay->tracks[replay->damaged_track];
  return track->tape ? tf_tape_reader_error(&track->tape->reader)
                     : tf_recording_error(&track->recording);
}

static int records_replay(tf_replay_t *replay) {
  int done = 0;
  for (; done < TF_REPLAY_RECORDS_PER_POLL; done++) {
    bool               again;
    tf_replay_track_t *track = track_next(replay, &again);
    if (TF_UNLIKELY(!track)) return again ? done + 1 : done ? done : finished(replay);
    uint64_t now_ticks = tf_clock_ticks();
    uint64_t origin    = now_ticks;
    if (replay->ns_to_ticks != 0.0 && replay->unpaced_left == 0) {
      origin = due_ticks(replay, &track->record);
      /* Re-read: due_ticks may just have started the clock. */
      if ((int64_t)(origin - now_ticks) > 0 && tf_clock_ticks() < origin) {
        if (origin - now_ticks > tf_clock_ns_to_ticks(TOP_UP_SLACK_NS))
          tf_recording_top_up(&track->recording, &track->record, TOP_UP_STEP_BYTES);
        return done;
      }
    }
    record_publish(replay, track, origin);
  }
  return done;
}

static int replay_poll(tf_source_t *source, uint64_t now_ns) {
  (void)now_ns; /* a recording has its own time */
  tf_replay_t *replay = (tf_replay_t *)source;
  if (TF_UNLIKELY(replay->stopped)) return finished(replay);
  int result = records_replay(replay);
  ledger_update(replay);
  return result;
}

static void replay_stop(tf_source_t *source) {
  tf_replay_t *replay = (tf_replay_t *)source;
  replay->stopped     = true;
  source->feed_state  = TF_FEED_DOWN;
}

/* ---- lifetime --------------------------------------------------------------------------------*/

static const tf_source_ops_t replay_ops = {.poll = replay_poll, .stop = replay_stop};

static tf_err_t config_check(const tf_replay_config_t *config) {
  if (config->input_cnt < 1 || config->input_cnt > TF_REPLAY_INPUTS_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "%u replay inputs; 1 to %u are allowed", config->input_cnt,
                  TF_REPLAY_INPUTS_MAX);
  if (!(config->speed >= 0.0 && config->speed <= TF_REPLAY_SPEED_MAX) ||
      (config->speed > 0.0 && config->speed < 1e-9))
    return TF_ERR(E_CORE_ARGUMENT, "replay speed %g; 0 (max) or 1e-9 to 1e9 is allowed",
                  config->speed);
  if (config->to_ns && config->to_ns <= config->from_ns)
    return TF_ERR(E_CORE_ARGUMENT, "replay to %llu ns is not after from %llu ns",
                  (unsigned long long)config->to_ns, (unsigned long long)config->from_ns);
  if (config->event_cap < 1) return TF_ERR(E_CORE_ARGUMENT, "event_cap is 0; at least 1 is needed");
  for (uint32_t i = 0; i < config->input_cnt; i++) {
    const tf_replay_input_t *input = &config->inputs[i];
    TF_ASSERT(input->path && (input->feed_cnt ? input->feeds != NULL
                              : input->feed   ? input->feed_config != NULL
                                              : config->instruments != NULL));
    if (input->continues == 0) continue;
    if (input->continues > i)
      return TF_ERR(E_CORE_ARGUMENT, "input %u (%s) continues input %u, which is not before it",
                    i + 1, input->path, input->continues);
    const tf_replay_input_t *from = &config->inputs[input->continues - 1];
    if (input->feed_cnt || from->feed_cnt || from->feed != input->feed ||
        from->feed_config != input->feed_config)
      return TF_ERR(E_CORE_ARGUMENT, "input %u (%s) continues one of another feed", i + 1,
                    input->path);
  }
  return 0;
}

static bool room_add(size_t *sum, size_t cnt, size_t bytes) {
  size_t product, padded;
  if (__builtin_mul_overflow(cnt, bytes, &product)) return false;
  if (__builtin_add_overflow(product, TF_LINE_BYTES - 1, &padded)) return false;
  return !__builtin_add_overflow(*sum, padded & ~(size_t)(TF_LINE_BYTES - 1), sum);
}

static bool is_tape(const tf_replay_input_t *input) { return !input->feed && !input->feed_cnt; }

/* An input's feeds: a capture's, or the one that was named. */
static tf_replay_feed_t feed_at(const tf_replay_input_t *input, uint32_t i) {
  return input->feed_cnt ? input->feeds[i]
                         : (tf_replay_feed_t){.feed = input->feed, .config = input->feed_config};
}

/* What a capture's connections were shows only as it is read: as many as there may be. */
static tf_legs_config_t legs_config_of(const tf_replay_input_t *input, uint32_t i) {
  tf_replay_feed_t feed = feed_at(input, i);
  return (tf_legs_config_t){
      .feed = feed.feed, .feed_config = feed.config, .leg_cnt = input->feed_cnt ? TF_LEGS_MAX : 1};
}

static uint32_t feed_cnt(const tf_replay_input_t *input) {
  return input->feed_cnt ? input->feed_cnt : 1;
}

/* Instruments whose ids a capture's feed may have to be told by another name. */
static uint32_t id_cnt(const tf_replay_input_t *input, uint32_t i) {
  const tf_instruments_t *table = feed_at(input, i).config->instruments;
  return input->feed_cnt && table ? table->cap : 0;
}

size_t tf_replay_footprint(const tf_replay_config_t *config) {
  size_t sum = 0;
  if (config_check(config)) return 0;
  if (!room_add(&sum, config->input_cnt, sizeof(tf_replay_track_t))) return 0;
  if (!room_add(&sum, config->event_cap, sizeof(tf_event_t))) return 0;
  for (uint32_t i = 0; i < config->input_cnt; i++) {
    const tf_replay_input_t *input = &config->inputs[i];
    if (input->continues || is_tape(input)) continue;
    if (!room_add(&sum, feed_cnt(input), sizeof(tf_legs_t))) return 0;
    if (!room_add(&sum, input->feed_cnt, sizeof(tf_route_filter_t))) return 0;
    for (uint32_t k = 0; k < feed_cnt(input); k++) {
      if (!room_add(&sum, id_cnt(input, k), sizeof(uint32_t))) return 0;
      tf_legs_config_t legs  = legs_config_of(input, k);
      size_t           bytes = tf_legs_footprint(&legs);
      if (bytes == 0 || !room_add(&sum, 1, bytes)) return 0;
    }
  }
  return sum;
}

static uint8_t *room_take(uint8_t **memory, size_t bytes) {
  uint8_t *p = *memory;
  *memory += tf_align_up(bytes, TF_LINE_BYTES);
  return p;
}

static tf_err_t tape_init(tf_replay_t *replay, tf_replay_track_t *track, const char *path,
                          const tf_replay_config_t *config) {
  track->tape = malloc(sizeof *track->tape);
  if (!track->tape) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes", sizeof *track->tape);
  tf_err_t err = tf_tape_track_init(track->tape, path, config->instruments, config->event_cap,
                                    replay->from_ns, replay->to_ns);
  if (err) {
    free(track->tape);
    return err;
  }
  replay->track_cnt++;
  replay->source.connects++;
  return TF_OK;
}

static tf_err_t feeds_init(tf_replay_t *replay, tf_replay_track_t *track,
                           const tf_replay_input_t *input, uint8_t **memory) {
  const tf_legs_handler_t handler = {.self = replay, .on_out = on_out};
  uint32_t                cnt     = feed_cnt(input);
  track->feed_cnt                 = cnt;
  track->feeds_memory             = *memory;
  track->feeds = (tf_legs_t *)(void *)room_take(memory, cnt * sizeof *track->feeds);
  if (input->feed_cnt)
    track->filters = (tf_route_filter_t *)(void *)room_take(memory, cnt * sizeof *track->filters);
  for (uint32_t i = 0; track->filters && i < cnt; i++) {
    uint32_t ids      = id_cnt(input, i);
    track->filters[i] = (tf_route_filter_t){
        .map_cap = ids, .map = (uint32_t *)(void *)room_take(memory, ids * sizeof(uint32_t))};
  }
  for (uint32_t i = 0; i < cnt; i++) {
    tf_legs_config_t legs = legs_config_of(input, i);
    void            *room = room_take(memory, tf_legs_footprint(&legs));
    tf_err_t         err  = tf_legs_init(&track->feeds[i], &legs, &replay->out, &handler, room);
    if (err) return tf_error_add(err, "starting feed %s for %s", legs.feed->venue, input->path);
  }
  return 0;
}

static tf_err_t track_init(tf_replay_t *replay, const tf_replay_input_t *input,
                           const tf_replay_config_t *config, uint8_t **memory) {
  tf_replay_track_t *track = &replay->tracks[replay->track_cnt];
  *track                   = (tf_replay_track_t){.input = *input};
  if (is_tape(input)) return tape_init(replay, track, input->path, config);
  if (input->continues) {
    track->feeds    = replay->tracks[input->continues - 1].feeds;
    track->feed_cnt = replay->tracks[input->continues - 1].feed_cnt;
  } else {
    tf_err_t err = feeds_init(replay, track, input, memory);
    if (err) return err;
  }
  tf_err_t err = tf_recording_init(&track->recording, input->path);
  if (err) return err;
  replay->track_cnt++;
  const tf_capture_reader_t *capture = track->recording.capture;
  if (capture && capture->source_cnt != track->feed_cnt)
    return TF_ERR(E_FILE_FORMAT, "%s: a capture of %u feeds; %u were prepared", input->path,
                  capture->source_cnt, track->feed_cnt);
  if (replay->from_ns) tf_recording_seek(&track->recording, replay->from_ns);
  replay->source.connects++;
  return 0;
}

tf_err_t tf_replay_init(tf_replay_t *replay, const tf_replay_config_t *config, void *memory) {
  *replay      = (tf_replay_t){.damaged_track = -1};
  tf_err_t err = config_check(config);
  if (err) return err;
  TF_ASSERT(memory && (uintptr_t)memory % TF_LINE_BYTES == 0);
  uint8_t *room = memory;
  replay->tracks =
      (tf_replay_track_t *)(void *)room_take(&room, config->input_cnt * sizeof(tf_replay_track_t));
  replay->out.events =
      (tf_event_t *)(void *)room_take(&room, (size_t)config->event_cap * sizeof(tf_event_t));
  replay->out.event_cap     = config->event_cap;
  replay->out.counts        = &replay->source.counts;
  replay->source.ops        = &replay_ops;
  replay->source.feed_state = TF_FEED_LIVE;
  replay->from_ns           = config->from_ns;
  replay->to_ns             = config->to_ns ? config->to_ns : UINT64_MAX;
  replay->unpaced_left      = config->unpaced_events;
  if (config->speed > 0.0) {
    TF_ASSERT(tf_clock_global.ns_per_tick > 0.0);
    replay->ns_to_ticks = 1.0 / (tf_clock_global.ns_per_tick * config->speed);
  }
  for (uint32_t i = 0; i < config->input_cnt; i++) {
    err = track_init(replay, &config->inputs[i], config, &room);
    if (err) {
      tf_replay_fini(replay);
      return err;
    }
  }
  return 0;
}

static tf_err_t track_rewind(tf_replay_t *replay, tf_replay_track_t *track) {
  track->has_record = track->over = false;
  track->beyond_cnt               = 0;
  if (track->tape) {
    tf_tape_track_rewind(track->tape);
    return TF_OK;
  }
  TF_ASSERT(track->recording.capture && track->feeds_memory);
  uint8_t *memory = track->feeds_memory;
  tf_err_t err    = feeds_init(replay, track, &track->input, &memory);
  return err ? err : tf_capture_reader_rewind(track->recording.capture);
}

tf_err_t tf_replay_rewind(tf_replay_t *replay) {
  tf_err_t err = TF_OK;
  for (uint32_t i = 0; i < replay->track_cnt && !err; i++)
    err = track_rewind(replay, &replay->tracks[i]);
  replay->started           = false;
  replay->damaged_track     = -1;
  replay->source.feed_state = TF_FEED_LIVE;
  return err;
}

void tf_replay_fini(tf_replay_t *replay) {
  for (uint32_t i = 0; i < replay->track_cnt; i++) {
    tf_recording_fini(&replay->tracks[i].recording);
    if (replay->tracks[i].tape) tf_tape_track_fini(replay->tracks[i].tape);
    free(replay->tracks[i].tape);
  }
  replay->tracks    = NULL;
  replay->track_cnt = 0;
}

tf_recording_counts_t tf_replay_counts(const tf_replay_t *replay) {
  tf_recording_counts_t sum = {0};
  for (uint32_t i = 0; i < replay->track_cnt; i++) {
    const uint64_t *from = (const uint64_t *)&replay->tracks[i].recording.counts;
    uint64_t       *to   = (uint64_t *)&sum;
    for (size_t k = 0; k < sizeof sum / sizeof *to; k++) to[k] += from[k];
  }
  return sum;
}
