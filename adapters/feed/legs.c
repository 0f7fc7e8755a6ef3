#include "feed/legs.h"

#include <string.h>

#include "core/error.h"
#include "core/hash.h"

/* A key is made of so much of a message: what tells two apart stands at the front. */
#define KEY_BYTES  512u
#define KEY_EVENTS 16u

static void *state_of(const tf_legs_t *legs, uint32_t leg) { return legs->legs[leg].state; }

static void hand_out(tf_legs_t *legs, uint32_t leg, uint64_t now_ns) {
  tf_feed_out_t *out = legs->out;
  tf_reorder_pass(&legs->reorder, out, now_ns);
  legs->handler.on_out(legs->handler.self, leg, out);
  out->event_cnt = 0;
}

/* ---- who was first ---- */

/* Where sequences are shared the venue sends the same bytes to all. */
static uint64_t key_of_frame(const tf_frame_t *frame) {
  uint64_t hash = tf_hash_fold(TF_HASH_SEED, frame->bytes_cnt), word;
  uint32_t cnt  = frame->bytes_cnt < KEY_BYTES ? frame->bytes_cnt : KEY_BYTES;
  uint32_t i    = 0;
  for (; i + sizeof word <= cnt; i += (uint32_t)sizeof word) {
    memcpy(&word, frame->bytes + i, sizeof word);
    hash = tf_hash_fold(hash, word);
  }
  word = 0;
  memcpy(&word, frame->bytes + i, cnt - i);
  return tf_hash_fold(hash, word);
}

/* Else what it says: without what is ours or the connection's (times of receipt, sequences). */
static uint64_t key_of_event(uint64_t hash, const tf_event_t *e) {
  const uint8_t flags   = e->flags & (TF_FLAG_SIDE | TF_FLAG_SNAPSHOT);
  const uint8_t head[8] = {e->kind, flags, (uint8_t)e->price_exp, (uint8_t)e->qty_exp};
  uint64_t      word;
  memcpy(&word, head, sizeof word);
  hash = tf_hash_fold(hash, word ^ (uint64_t)e->instrument_id << 32);
  hash = tf_hash_fold(hash, e->ts_event_ns);
  hash = tf_hash_fold(tf_hash_fold(hash, e->u.word[0]), e->u.word[1]);
  if (e->kind == TF_EVENT_BOOK) return hash;
  return tf_hash_fold(tf_hash_fold(hash, e->u.word[2]), e->u.word[3]);
}

/* Trades one by one, since connections may bundle them differently; all else of a message as one. */
TF_COLD static void race_events(tf_legs_t *legs, uint32_t leg, uint64_t recv_ns) {
  const tf_feed_out_t *out  = legs->out;
  uint64_t             hash = tf_hash_fold(TF_HASH_SEED, out->event_cnt);
  uint32_t             cnt  = 0;
  for (uint32_t i = 0; i < out->event_cnt && cnt < KEY_EVENTS; i++) {
    const tf_event_t *e = &out->events[i];
    if (e->kind == TF_EVENT_STATUS || e->flags & (TF_FLAG_BACKFILL | TF_FLAG_DERIVED)) continue;
    if (e->kind == TF_EVENT_TRADE) {
      tf_race_arrive(&legs->race, key_of_event(TF_HASH_SEED, e), leg, recv_ns);
    } else {
      hash = key_of_event(hash, e);
      cnt++;
    }
  }
  if (cnt > 0) tf_race_arrive(&legs->race, hash, leg, recv_ns);
}

/* ---- own: one owner an instrument ---- */

static void set_owner(tf_legs_t *legs, tf_legs_row_t *row, uint8_t leg) {
  if (row->owner != TF_LEGS_NONE) legs->legs[row->owner].owned_cnt--;
  if (leg != TF_LEGS_NONE) legs->legs[leg].owned_cnt++;
  row->owner = leg;
}

static bool is_leaving_to(const tf_legs_t *legs, const tf_legs_row_t *row, uint32_t leg) {
  return row->owner != TF_LEGS_NONE && row->owner != leg && legs->legs[row->owner].is_retiring &&
         !legs->legs[leg].is_retiring;
}

/* Books whose owner retires go to the leg that brings their snapshot: STATUS OK stands behind one. */
TF_COLD static void move_books(tf_legs_t *legs, uint32_t leg) {
  const tf_feed_out_t *out = legs->out;
  for (uint32_t i = 0; i < out->event_cnt; i++) {
    const tf_event_t *e = &out->events[i];
    if (e->kind != TF_EVENT_STATUS || e->u.status.book_state != TF_BOOK_OK) continue;
    tf_legs_row_t *row = &legs->rows[e->instrument_id];
    if (is_leaving_to(legs, row, leg)) set_owner(legs, row, (uint8_t)leg);
  }
}

/* Whether an event, no trade, is its owner's. */
TF_INLINE bool is_owners(tf_legs_t *legs, uint32_t leg, const tf_event_t *e) {
  TF_ASSERT(e->instrument_id < legs->instrument_cap);
  tf_legs_row_t *row = &legs->rows[e->instrument_id];
  if (TF_UNLIKELY(row->owner != leg)) {
    bool moves = row->owner == TF_LEGS_NONE || (!row->has_book && is_leaving_to(legs, row, leg));
    if (!moves) return false;
    set_owner(legs, row, (uint8_t)leg);
  }
  row->has_book |= e->kind == TF_EVENT_BOOK || e->kind == TF_EVENT_STATUS;
  return true;
}

/* Told by what it says and not by its owner. */
static bool is_merged(const tf_event_t *e) {
  bool is_state = e->kind == TF_EVENT_QUOTE || e->kind == TF_EVENT_TICKER;
  return e->kind == TF_EVENT_TRADE || (is_state && e->ts_event_ns != 0);
}

/* Every leg's decoder hears of a halt, or one of them by REST, whoever owns the instrument: it is told once. */
TF_COLD static bool is_listing_news(tf_legs_t *legs, const tf_event_t *e) {
  TF_ASSERT(e->instrument_id < legs->instrument_cap);
  tf_listing_t *told    = &legs->rows[e->instrument_id].listing;
  const bool    resizes = e->u.listing.trading == TF_TRADING_CHANGED;
  const uint8_t trading = resizes ? told->trading : (uint8_t)e->u.listing.trading;
  if (told->trading == trading && told->tick_size == e->u.listing.tick_size &&
      told->lot_size == e->u.listing.lot_size && told->price_exp == e->price_exp &&
      told->qty_exp == e->qty_exp)
    return false;
  *told = (tf_listing_t){e->u.listing.tick_size, e->u.listing.lot_size, e->price_exp, e->qty_exp,
                         trading};
  return true;
}

static bool is_news(tf_legs_t *legs, const tf_frame_t *frame, const tf_event_t *e) {
  if (TF_UNLIKELY(tf_event_is_listing(e))) return is_listing_news(legs, e);
  if (e->kind == TF_EVENT_TRADE) {
    bool is_repeat = tf_trade_set_is_repeat(&legs->trades, e, legs->out->counts);
    legs->trade_cnt += !is_repeat;
    return !is_repeat;
  }
  if (!is_merged(e)) return is_owners(legs, frame->leg, e);
  TF_ASSERT(e->instrument_id < legs->instrument_cap);
  tf_legs_row_t *row = &legs->rows[e->instrument_id];
  return tf_newest_takes(e->kind == TF_EVENT_QUOTE ? &row->quote : &row->ticker, frame, 0,
                         e->ts_event_ns);
}

/* Some events of a message were dropped: the last of each instrument that is left is its LAST. */
TF_COLD static void keep_last(tf_legs_t *legs) {
  tf_feed_out_t *out = legs->out;
  for (uint32_t i = out->event_cnt; i-- > 0;) {
    tf_event_t    *e   = &out->events[i];
    tf_legs_row_t *row = &legs->rows[e->instrument_id];
    e->flags &= (uint8_t)~TF_FLAG_LAST;
    if (row->last_message != legs->message) e->flags |= TF_FLAG_LAST;
    row->last_message = legs->message;
  }
}

/* ---- own: newcomers ---- */

static void begin_holding(tf_legs_t *legs, uint32_t leg, uint64_t now_ns) {
  legs->legs[leg].held_until_ns = now_ns + TF_LEGS_HOLD_NS;
  legs->newcomer_cnt++;
}

static void hand_out_held(tf_legs_t *legs, uint32_t leg, uint64_t now_ns) {
  if (legs->out->event_cnt == 0) return;
  legs->message++;
  keep_last(legs);
  hand_out(legs, leg, now_ns);
}

/* Of what is held, hands on what `is_it` picks, as one message, without what others have brought since. */
typedef bool (*picks_t)(const tf_legs_held_t *held, uint64_t what);

TF_COLD static void release_held(tf_legs_t *legs, uint32_t leg, picks_t is_it, uint64_t what,
                                 uint64_t now_ns) {
  tf_feed_out_t *out  = legs->out;
  uint32_t       kept = 0;
  for (uint32_t i = 0; i < legs->held_cnt; i++) {
    tf_legs_held_t *held = &legs->held[i];
    if (!is_it(held, what)) {
      legs->held[kept++] = *held;
      continue;
    }
    legs->orphan_cnt -= held->is_orphan;
    if (!is_news(legs, &held->frame, &held->event)) {
      out->counts->merged++;
    } else {
      if (out->event_cnt == out->event_cap) hand_out_held(legs, leg, now_ns);
      out->events[out->event_cnt++] = held->event;
    }
  }
  legs->held_cnt = kept;
  hand_out_held(legs, leg, now_ns);
}

static bool is_connections(const tf_legs_held_t *held, uint64_t connection) {
  return held->frame.connection == connection && !held->is_orphan;
}
static bool is_old_orphan(const tf_legs_held_t *held, uint64_t now_ns) {
  return held->is_orphan && now_ns - held->frame.recv_ns >= TF_LEGS_HOLD_NS;
}
static bool is_overtaken(const tf_legs_held_t *held, uint64_t trade_cnt) {
  return trade_cnt - held->trade_cnt >= TF_LEGS_HELD_TRADES;
}
static bool is_orphan(const tf_legs_held_t *held, uint64_t unused) {
  (void)unused;
  return held->is_orphan;
}

static void end_holding(tf_legs_t *legs, uint32_t leg) {
  legs->newcomer_cnt -= legs->legs[leg].held_until_ns != 0;
  legs->legs[leg].held_until_ns = 0;
}

/* The leg is no newcomer any longer. */
TF_COLD static void release(tf_legs_t *legs, uint32_t leg, uint64_t now_ns) {
  end_holding(legs, leg);
  release_held(legs, leg, is_connections, legs->legs[leg].connection, now_ns);
}

/* A newcomer goes before its time: what it brought waits for the others all the same. */
static void leave_held(tf_legs_t *legs, uint32_t leg) {
  end_holding(legs, leg);
  for (uint32_t i = 0; i < legs->held_cnt; i++) {
    tf_legs_held_t *held = &legs->held[i];
    if (!is_connections(held, legs->legs[leg].connection)) continue;
    held->is_orphan = true;
    legs->orphan_cnt++;
  }
}

/* No leg is left that was there before the newcomers. */
static bool are_all_new(const tf_legs_t *legs) {
  return legs->newcomer_cnt > 0 && legs->newcomer_cnt == legs->up_cnt;
}

static uint32_t eldest_newcomer(const tf_legs_t *legs) {
  uint32_t eldest = legs->leg_cnt;
  for (uint32_t i = 0; i < legs->leg_cnt; i++) {
    uint64_t until_ns = legs->legs[i].held_until_ns;
    if (until_ns == 0) continue;
    if (eldest == legs->leg_cnt || until_ns < legs->legs[eldest].held_until_ns) eldest = i;
  }
  TF_ASSERT(eldest < legs->leg_cnt);
  return eldest;
}

/* The event is kept for later. */
static void hold(tf_legs_t *legs, const tf_frame_t *frame, const tf_event_t *e) {
  tf_legs_held_t *held = &legs->held[legs->held_cnt++];
  TF_ASSERT(legs->held_cnt <= TF_LEGS_HELD_MAX);
  held->event     = *e;
  held->trade_cnt = legs->trade_cnt;
  held->is_orphan = false;
  held->frame =
      (tf_frame_t){.recv_ns = frame->recv_ns, .connection = frame->connection, .leg = frame->leg};
}

/* Before a newcomer's message is decoded: its time may be over, and there must be room for what a message
 * may bring, or it is over too. */
TF_COLD static void make_room(tf_legs_t *legs, uint32_t leg, uint64_t now_ns) {
  bool is_full = legs->held_cnt > TF_LEGS_HELD_MAX / 2;
  if (is_full || now_ns >= legs->legs[leg].held_until_ns) release(legs, leg, now_ns);
}

/* Before any message is decoded: what has been held for long enough goes on. */
TF_COLD static void release_old(tf_legs_t *legs, uint32_t leg, uint64_t now_ns) {
  if (legs->orphan_cnt > 0) release_held(legs, leg, is_old_orphan, now_ns, now_ns);
  if (legs->held_cnt > 0 && is_overtaken(&legs->held[0], legs->trade_cnt))
    release_held(legs, leg, is_overtaken, legs->trade_cnt, now_ns);
}

/* Of a newcomer's message: takes what is to be held out of it, in place. */
TF_COLD static void hold_back(tf_legs_t *legs, const tf_frame_t *frame) {
  tf_feed_out_t *out    = legs->out;
  uint32_t       merged = 0, kept = 0;
  for (uint32_t i = 0; i < out->event_cnt; i++) merged += is_merged(&out->events[i]);
  if (merged > TF_LEGS_HELD_MAX - legs->held_cnt)
    return; /* a message of thousands goes on at once */
  for (uint32_t i = 0; i < out->event_cnt; i++) {
    if (is_merged(&out->events[i]))
      hold(legs, frame, &out->events[i]);
    else
      out->events[kept++] = out->events[i];
  }
  out->event_cnt = kept;
}

/* Of what a leg's decoder made, leaves what is published. frame: which leg's, and when it came. */
static void filter(tf_legs_t *legs, const tf_frame_t *frame) {
  tf_feed_out_t *out = legs->out;
  uint32_t       leg = frame->leg;
  uint32_t       cnt = out->event_cnt, kept = 0;
  if (legs->handler.on_decoded && cnt > 0) legs->handler.on_decoded(legs->handler.self, leg, out);
  legs->message++;
  if (TF_UNLIKELY(legs->legs[leg].held_until_ns != 0)) {
    hold_back(legs, frame);
    cnt = out->event_cnt;
  }
  if (TF_UNLIKELY(legs->retiring_cnt > 0)) move_books(legs, leg);
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_event_t *e = &out->events[i];
    if (TF_UNLIKELY(!is_news(legs, frame, e))) continue;
    if (TF_UNLIKELY(kept != i)) out->events[kept] = *e;
    kept++;
  }
  if (TF_LIKELY(kept == cnt)) return;
  out->counts->merged += cnt - kept;
  legs->legs[leg].duplicates += kept == 0;
  out->event_cnt = kept;
  keep_last(legs);
}

/* ---- shared ---- */

/* The event before these of its instrument is its LAST now. */
static void move_last(tf_event_t *events, uint32_t cnt, uint32_t instrument_id) {
  while (cnt > 0 && events[cnt - 1].instrument_id != instrument_id) cnt--;
  if (cnt > 0) events[cnt - 1].flags |= TF_FLAG_LAST;
}

/* Leaves out trades that the decoder no longer remembers. */
static void drop_old_trades(tf_legs_t *legs) {
  tf_feed_out_t *out  = legs->out;
  uint32_t       kept = 0;
  for (uint32_t i = 0; i < out->event_cnt; i++) {
    const tf_event_t *e = &out->events[i];
    if (e->kind != TF_EVENT_TRADE || !tf_trade_set_is_repeat(&legs->trades, e, legs->out->counts)) {
      if (TF_UNLIKELY(kept != i)) out->events[kept] = *e;
      kept++;
    } else if (e->flags & TF_FLAG_LAST) {
      move_last(out->events, kept, e->instrument_id);
    }
  }
  out->counts->duplicates += out->event_cnt - kept;
  out->counts->merged += out->event_cnt - kept;
  out->event_cnt = kept;
}

/* ---- frames ---- */

static void mark_up(tf_legs_t *legs, uint32_t leg) {
  legs->up_cnt += !legs->legs[leg].is_up;
  legs->legs[leg].is_up      = true;
  legs->legs[leg].connection = ++legs->connection_cnt;
}

static void mark_gone(tf_legs_t *legs, uint32_t leg) {
  tf_legs_leg_t *l = &legs->legs[leg];
  legs->up_cnt--;
  legs->retiring_cnt -= l->is_retiring;
  l->is_up = l->is_retiring = false;
}

tf_verdict_t tf_legs_frame(tf_legs_t *legs, uint32_t leg, const tf_frame_t *frame) {
  tf_feed_out_t *out        = legs->out;
  tf_legs_leg_t *l          = &legs->legs[leg];
  uint64_t       duplicates = out->counts->duplicates;
  tf_frame_t     its        = *frame;
  if (TF_UNLIKELY(!l->is_up) && frame->kind != TF_FRAME_HTTP) mark_up(legs, leg);
  if (TF_UNLIKELY(l->held_until_ns != 0)) make_room(legs, leg, frame->recv_ns);
  if (TF_UNLIKELY(legs->held_cnt > 0)) release_old(legs, leg, frame->recv_ns);
  its.connection       = l->connection;
  its.leg              = (uint8_t)leg;
  tf_verdict_t verdict = legs->feed->on_frame(l->state, &its, out);
  l->messages++;
  bool races = legs->races && legs->up_cnt > 1 && verdict == TF_VERDICT_DATA;
  if (legs->rows) {
    if (TF_UNLIKELY(races)) race_events(legs, leg, frame->recv_ns);
    filter(legs, &its);
  } else {
    if (races) tf_race_arrive(&legs->race, key_of_frame(frame), leg, frame->recv_ns);
    if (legs->trades.entries != NULL) drop_old_trades(legs);
    l->duplicates += out->counts->duplicates != duplicates && out->event_cnt == 0;
  }
  hand_out(legs, leg, frame->recv_ns);
  return verdict;
}

/* ---- connections ---- */

/* The decoder's connection is new or gone. */
static void restart(tf_legs_t *legs, uint32_t leg, uint64_t now_ns) {
  const tf_frame_t its = {
      .recv_ns = now_ns, .connection = legs->legs[leg].connection, .leg = (uint8_t)leg};
  legs->feed->on_connect(state_of(legs, leg), now_ns, legs->out);
  if (legs->rows) filter(legs, &its);
  if (legs->up_cnt == 0) tf_reorder_flush(&legs->reorder, legs->out);
  hand_out(legs, leg, now_ns);
}

static void leave(tf_legs_t *legs, uint32_t leg, uint64_t now_ns) {
  if (legs->rows && legs->legs[leg].held_until_ns != 0) leave_held(legs, leg);
  mark_gone(legs, leg);
  if (are_all_new(legs)) release(legs, eldest_newcomer(legs), now_ns);
  if (legs->up_cnt == 0 && legs->orphan_cnt > 0) release_held(legs, leg, is_orphan, 0, now_ns);
}

void tf_legs_up(tf_legs_t *legs, uint32_t leg, uint64_t now_ns) {
  if (legs->legs[leg].is_up) leave(legs, leg, now_ns);
  mark_up(legs, leg);
  if (legs->rows && legs->up_cnt > 1) begin_holding(legs, leg, now_ns);
  if (legs->rows || legs->up_cnt == 1) restart(legs, leg, now_ns);
}

static bool has_status_of(const tf_feed_out_t *out, uint32_t instrument_id) {
  for (uint32_t i = 0; i < out->event_cnt; i++)
    if (out->events[i].kind == TF_EVENT_STATUS && out->events[i].instrument_id == instrument_id)
      return true;
  return false;
}

/* Its decoder may not have known the book in order, and then says nothing: those who read us did. */
static void lose(tf_legs_t *legs, uint32_t leg, uint32_t instrument_id, uint64_t now_ns,
                 bool must_say) {
  tf_feed_out_t *out = legs->out;
  if (legs->feed->lose_book) legs->feed->lose_book(state_of(legs, leg), instrument_id, now_ns, out);
  if (must_say && !has_status_of(out, instrument_id) && out->event_cnt < out->event_cap) {
    tf_event_t *e          = &out->events[out->event_cnt++];
    *e                     = (tf_event_t){.ts_recv_ns    = now_ns,
                                          .instrument_id = instrument_id,
                                          .kind          = TF_EVENT_STATUS,
                                          .flags         = TF_FLAG_LAST};
    e->u.status.book_state = TF_BOOK_GAP;
    out->counts->events[TF_EVENT_STATUS]++;
  }
  hand_out(legs, leg, now_ns);
}

/* A leg that is up, rather one that stays; TF_LEGS_NONE. */
static uint8_t heir_of(const tf_legs_t *legs) {
  uint8_t heir = TF_LEGS_NONE;
  for (uint32_t i = legs->leg_cnt; i-- > 0;) {
    if (!legs->legs[i].is_up) continue;
    if (heir == TF_LEGS_NONE || legs->legs[heir].is_retiring || !legs->legs[i].is_retiring)
      heir = (uint8_t)i;
  }
  return heir;
}

static void inherit(tf_legs_t *legs, uint32_t gone, uint8_t heir, uint64_t now_ns) {
  for (uint32_t id = 0; id < legs->instrument_cap && legs->legs[gone].owned_cnt > 0; id++) {
    tf_legs_row_t *row = &legs->rows[id];
    if (row->owner != gone) continue;
    set_owner(legs, row, heir);
    if (heir != TF_LEGS_NONE && row->has_book) lose(legs, heir, id, now_ns, true);
  }
}

void tf_legs_down(tf_legs_t *legs, uint32_t leg, uint64_t now_ns) {
  if (!legs->legs[leg].is_up) return;
  leave(legs, leg, now_ns);
  if (legs->up_cnt == 0) {
    for (uint32_t id = 0; id < legs->instrument_cap; id++)
      legs->rows[id].quote = legs->rows[id].ticker = (tf_newest_t){0};
    restart(legs, leg, now_ns);
  }
  if (legs->rows) inherit(legs, leg, heir_of(legs), now_ns);
}

void tf_legs_retire(tf_legs_t *legs, uint32_t leg) {
  tf_legs_leg_t *l = &legs->legs[leg];
  if (!l->is_up || l->is_retiring) return;
  l->is_retiring = true;
  legs->retiring_cnt++;
}

void tf_legs_lose(tf_legs_t *legs, uint32_t instrument_id, uint64_t now_ns) {
  if (legs->rows && instrument_id >= legs->instrument_cap) return;
  uint8_t leg = legs->rows ? legs->rows[instrument_id].owner : (uint8_t)tf_legs_first_up(legs);
  if (leg != TF_LEGS_NONE) lose(legs, leg, instrument_id, now_ns, false);
}

void tf_legs_pass_time(tf_legs_t *legs, uint64_t now_ns) {
  hand_out(legs, tf_legs_first_up(legs), now_ns);
}

tf_err_t tf_legs_symbol(tf_legs_t *legs, const char *text, uint32_t *symbol,
                        uint32_t *instrument_id) {
  tf_err_t err = TF_OK;
  if (legs->feed->symbol == NULL)
    return TF_ERR(E_FEED_REFUSED, "the feed %s knows no later symbols", legs->feed->venue);
  for (uint32_t i = 0; i < legs->leg_cnt && err == TF_OK; i++)
    err =
        legs->feed->symbol(legs->legs[i].state, text, symbol, instrument_id); /* again is no harm */
  return err;
}

uint32_t tf_legs_first_up(const tf_legs_t *legs) {
  for (uint32_t i = 0; i < legs->leg_cnt; i++)
    if (legs->legs[i].is_up) return i;
  return 0;
}

/* ---- memory ---- */

typedef struct layout {
  uint32_t decoder_cnt, instrument_cap, trade_cnt, race_cnt, reorder_cap;
  uint64_t window_ns;
  size_t   state_bytes, rows_at, trades_at, held_at, races_at, reorder_at, bytes;
} layout_t;

static bool trades_are(const tf_feed_t *feed, uint32_t check) {
  for (const tf_feed_channel_t *c = feed->channels; c && c->names; c++)
    if (c->channel == TF_CHANNEL_TRADE && (c->checks & check)) return true;
  return false;
}

static bool room_add(size_t *sum, size_t cnt, size_t bytes) {
  size_t all;
  return !__builtin_mul_overflow(cnt, bytes, &all) && all <= SIZE_MAX / 2 &&
         !__builtin_add_overflow(*sum, tf_align_up(all, TF_LINE_BYTES), sum);
}

static uint32_t instrument_cap_of(const tf_feed_config_t *config) {
  return config->instruments ? config->instruments->cap : 1;
}

static bool layout_of(const tf_legs_config_t *config, layout_t *l) {
  bool is_own = !config->feed->sequences_are_shared && config->leg_cnt > 1;
  bool has_set =
      is_own || (config->leg_cnt > 1 && trades_are(config->feed, TF_FEED_CHECK(IDS_OPAQUE)));
  memset(l, 0, sizeof *l);
  l->decoder_cnt = is_own ? config->leg_cnt : 1;
  l->state_bytes =
      tf_align_up(config->feed->state_bytes(config->feed, config->feed_config), TF_LINE_BYTES);
  l->race_cnt             = config->races && config->leg_cnt > 1 ? TF_LEGS_RACES : 0;
  uint32_t instrument_cap = instrument_cap_of(config->feed_config);
  if (is_own) l->instrument_cap = instrument_cap;
  if (has_set) l->trade_cnt = TF_LEGS_TRADES;
  if (!room_add(&l->bytes, l->decoder_cnt, l->state_bytes)) return false;
  l->rows_at = l->bytes;
  if (!room_add(&l->bytes, l->instrument_cap, sizeof(tf_legs_row_t))) return false;
  l->trades_at = l->bytes;
  if (has_set && !room_add(&l->bytes, 1, tf_trade_set_bytes(l->trade_cnt, instrument_cap)))
    return false;
  l->held_at = l->bytes;
  if (is_own && !room_add(&l->bytes, TF_LEGS_HELD_MAX, sizeof(tf_legs_held_t))) return false;
  l->races_at = l->bytes;
  if (!room_add(&l->bytes, l->race_cnt, sizeof(tf_race_entry_t))) return false;
  /* ids that leave nothing out are those that can be waited for */
  bool has_order = trades_are(config->feed, TF_FEED_CHECK(IDS_CONSECUTIVE));
  l->window_ns   = has_order ? config->feed_config->reorder_window_ns : 0;
  l->reorder_cap = instrument_cap;
  l->reorder_at  = l->bytes;
  return room_add(&l->bytes, 1, tf_reorder_bytes(l->window_ns, l->reorder_cap));
}

size_t tf_legs_footprint(const tf_legs_config_t *config) {
  layout_t l;
  return layout_of(config, &l) ? l.bytes : 0;
}

tf_err_t tf_legs_init(tf_legs_t *legs, const tf_legs_config_t *config, tf_feed_out_t *out,
                      const tf_legs_handler_t *handler, void *memory) {
  layout_t l;
  uint8_t *bytes = memory;
  memset(legs, 0, sizeof *legs);
  if (config->leg_cnt == 0 || config->leg_cnt > TF_LEGS_MAX || !layout_of(config, &l))
    return TF_ERR(E_CORE_ARGUMENT, "feed %s: %u connections, 1 to %u are possible",
                  config->feed->venue, config->leg_cnt, TF_LEGS_MAX);
  memset(bytes + l.rows_at, 0, l.bytes - l.rows_at);
  legs->feed           = config->feed;
  legs->out            = out;
  legs->handler        = *handler;
  legs->leg_cnt        = config->leg_cnt;
  legs->instrument_cap = l.instrument_cap;
  legs->races          = l.race_cnt > 0;
  if (l.instrument_cap > 0) legs->rows = (tf_legs_row_t *)(void *)(bytes + l.rows_at);
  for (uint32_t i = 0; i < l.instrument_cap; i++) legs->rows[i].owner = TF_LEGS_NONE;
  if (legs->rows) legs->held = (tf_legs_held_t *)(void *)(bytes + l.held_at);
  if (l.trade_cnt > 0)
    tf_trade_set_init(&legs->trades, bytes + l.trades_at, l.trade_cnt,
                      instrument_cap_of(config->feed_config));
  if (legs->races)
    tf_race_init(&legs->race, (tf_race_entry_t *)(void *)(bytes + l.races_at), l.race_cnt);
  tf_reorder_init(&legs->reorder, bytes + l.reorder_at, l.window_ns, l.reorder_cap);
  for (uint32_t i = 0; i < config->leg_cnt; i++) {
    uint32_t decoder    = i < l.decoder_cnt ? i : 0;
    legs->legs[i].state = bytes + decoder * l.state_bytes;
    if (decoder != i) continue;
    tf_err_t err = config->feed->init(config->feed, legs->legs[i].state, config->feed_config);
    if (err != TF_OK) return err;
  }
  return TF_OK;
}
