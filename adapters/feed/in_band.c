#include "feed/in_band.h"

#include "core/error.h"
#include "feed/in_band_scan.h"
#include "feed/listing.h"
#include "feed/metadata.h"
#include "feed/text_out.h"
#include "wire/json_array.h"

#define PENDING_CAP_MAX (1u << 20)

/* What a venue answered over REST: its instruments, or something that a recording has and nobody needs. */
TF_COLD static tf_verdict_t on_rest(tf_in_band_t *in) {
  tf_feed_counts_t *counts = in->out->counts;
  if (tf_metadata_read(&in->symbols, in->frame->bytes, in->frame->bytes_cnt, in->frame->recv_ns,
                       in->out) == UINT32_MAX)
    return tf_feeds_ignore(counts, "rest", 4);
  counts->msgs_control++;
  return TF_VERDICT_CONTROL;
}

static bool is_pong(const tf_in_band_spec_t *spec, const tf_frame_t *frame) {
  return spec->pong != NULL && frame->bytes_cnt == strlen(spec->pong) &&
         memcmp(frame->bytes, spec->pong, frame->bytes_cnt) == 0;
}

static bool is_array(const tf_frame_t *frame) {
  const char *end = frame->bytes + frame->bytes_cnt, *p = tf_json_skip_space(frame->bytes, end);
  return p < end && *p == '[';
}

tf_verdict_t tf_in_band_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  tf_in_band_t      *in    = state;
  tf_in_band_scan_t *scan  = in->scan;
  tf_in_band_route_t route = {.what = TF_IN_BAND_REFUSED, .why = TF_REJECT_UNKNOWN};
  out->counts->messages++;
  in->frame = frame;
  in->out   = out;
  in->json =
      (tf_json_t){.rows = out->events + out->event_cnt, .row_cap = out->event_cap - out->event_cnt};
  scan->book_cnt = scan->book_row_cnt = scan->kinds = 0;
  scan->is_bad                                      = false;
  for (uint32_t i = 0; i < in->spec->object_cnt; i++) scan->objects[i].seen = 0;
  if (in->spec->family) in->spec->family(in, frame);
  bool is_rest = frame->kind == TF_FRAME_HTTP;
  if (TF_UNLIKELY(is_rest) && (in->spec->takes_rest == NULL || !in->spec->takes_rest(in)))
    return on_rest(in);
  uint32_t place = is_rest ? in->spec->rest_object : 0;
  if (TF_UNLIKELY(frame->bytes_cnt == 0 || frame->bytes[0] != '{')) {
    if (is_pong(in->spec, frame)) {
      out->counts->msgs_control++;
      return TF_VERDICT_CONTROL;
    }
    if (is_array(frame)) place = in->spec->array_object;
  }
  tf_json_object_t *root   = &scan->objects[place];
  tf_json_result_t  result = tf_json_read(&in->json, frame->bytes, frame->bytes_cnt, root);
  if (is_rest && result == TF_JSON_OK) tf_in_band_on_item(&in->json, root);
  if (TF_UNLIKELY(result != TF_JSON_OK))
    return tf_feeds_reject(out->counts, frame,
                           result == TF_JSON_LIMIT ? TF_REJECT_LIMIT : TF_REJECT_SYNTAX);
  if (TF_UNLIKELY(in->json.root_kind != (root->is_tuple ? TF_JSON_ARRAY : TF_JSON_OBJECT)))
    return tf_feeds_reject(out->counts, frame, TF_REJECT_UNKNOWN);
  in->spec->route(in, &route);
  tf_verdict_t verdict = tf_in_band_publish(in, &route);
  if (TF_UNLIKELY(route.trading != TF_TRADING_UNSAID))
    tf_listing_say_all(&in->symbols, (tf_trading_t)route.trading, frame->recv_ns, out);
  if (TF_UNLIKELY(route.listing != NULL))
    tf_metadata_read(&in->symbols, route.listing->bytes, route.listing->bytes_cnt, frame->recv_ns,
                     out);
  return verdict;
}

/* ---- for routes ---- */

tf_event_t *tf_in_band_put_row(tf_in_band_t *in, tf_event_kind_t kind) {
  tf_event_t *row = tf_json_put_row(&in->json);
  in->scan->kinds |= 1u << kind;
  if (row == NULL) {
    tf_in_band_scan_refuse(in->scan, TF_REJECT_LIMIT);
    return NULL;
  }
  memset(row, 0, sizeof *row);
  row->ingest_seq = UINT64_MAX;
  row->kind       = (uint8_t)kind;
  return row;
}

void tf_in_band_refuse(tf_in_band_t *in, tf_reject_t why) { tf_in_band_scan_refuse(in->scan, why); }

void tf_in_band_drop_rows(tf_in_band_t *in) {
  in->json.row_cnt = 0;
  in->scan->kinds  = 0;
}

void tf_in_band_forgive(tf_in_band_t *in) { in->scan->is_bad = false; }

void tf_in_band_set_child(tf_in_band_t *in, uint32_t object, uint32_t child) {
  tf_json_object_t *objects = in->scan->objects;
  objects[object].child     = child != 0 ? &objects[child] : NULL;
}

void tf_in_band_break_books(tf_in_band_t *in, tf_book_state_t state, uint64_t first,
                            uint64_t last) {
  tf_feed_out_t *out = in->out;
  tf_draft_t     draft;
  tf_draft_begin(&draft, in->frame, out, in->json.row_cnt);
  for (uint32_t i = 0; i < in->symbols.cnt; i++) {
    tf_book_row_t *row = &in->rows[i].book;
    if (row->feed.book_state == TF_BOOK_NONE) continue;
    tf_event_t *e =
        tf_draft_status(&draft, &row->feed, in->symbols.rows[i].instrument_id, state, 0);
    if (e == NULL) continue;
    e->u.status.gap_first = first;
    e->u.status.gap_last  = last;
  }
  out->event_cnt   = draft.at;
  in->json.rows    = out->events + out->event_cnt;
  in->json.row_cap = out->event_cap - out->event_cnt;
}

/* The two numbers that "[price, qty, ..]" begins with. */
static bool take_pair(tf_in_band_scan_t *scan, const tf_json_value_t *text,
                      tf_json_value_t pair[2]) {
  tf_json_array_t array;
  tf_json_value_t element;
  tf_json_array_init(&array, text->bytes, text->kind == TF_JSON_ARRAY ? text->bytes_cnt : 0);
  for (uint32_t i = 0; i < 2; i++) {
    pair[i] = (tf_json_value_t){.made = TF_JSON_MADE_DECIMAL};
    if (!tf_json_array_next(&array, &element)) {
      tf_in_band_scan_refuse(scan, TF_REJECT_SCHEMA);
      return false;
    }
    if (tf_json_array_decimal(&element, &pair[i].as.mantissa, &pair[i].exp) != TF_DECIMAL_OK ||
        pair[i].as.mantissa < 0) {
      tf_in_band_scan_refuse(scan, TF_REJECT_NUMBER);
      return false;
    }
  }
  return true;
}

bool tf_in_band_put_quote(tf_in_band_t *in, uint64_t ts_ns, const tf_json_value_t *bid,
                          const tf_json_value_t *ask) {
  tf_in_band_scan_t *scan = in->scan;
  tf_event_t        *row  = tf_json_put_row(&in->json);
  tf_json_value_t    b[2], a[2];
  scan->kinds |= 1u << TF_EVENT_QUOTE;
  if (row == NULL) tf_in_band_scan_refuse(scan, TF_REJECT_LIMIT);
  if (row == NULL || !take_pair(scan, bid, b) || !take_pair(scan, ask, a)) return false;
  bool is_good = tf_draft_set_quote(row, &b[0], &b[1], &a[0], &a[1]);
  if (!is_good) tf_in_band_scan_refuse(scan, TF_REJECT_NUMBER);
  row->ts_event_ns   = ts_ns;
  row->ts_recv_ns    = 0;
  row->flags         = ts_ns == 0 ? 0 : tf_draft_time_flags(ts_ns, in->frame->recv_ns);
  row->ingest_seq    = UINT64_MAX;
  row->instrument_id = 0;
  row->kind          = TF_EVENT_QUOTE;
  return is_good;
}

void tf_in_band_put_ticker(tf_in_band_t *in, const tf_json_value_t *mark,
                           const tf_json_value_t *funding, uint32_t object, uint32_t time,
                           tf_in_band_time_t form) {
  const tf_json_value_t *at  = tf_in_band_value(in, object, time);
  tf_event_t            *row = tf_json_put_row(&in->json);
  if (row == NULL) {
    tf_in_band_scan_refuse(in->scan, TF_REJECT_LIMIT);
    return;
  }
  memset(row, 0, sizeof *row);
  row->u.ticker.funding_rate = TF_FUNDING_NONE;
  bool is_good = (mark == NULL || (mark->made == TF_JSON_MADE_DECIMAL && mark->as.mantissa >= 0)) &&
                 (funding == NULL || funding->made == TF_JSON_MADE_DECIMAL);
  if (!is_good) tf_in_band_scan_refuse(in->scan, TF_REJECT_NUMBER);
  if (is_good && mark != NULL) {
    row->u.ticker.mark_price = mark->as.mantissa;
    row->price_exp           = mark->exp;
  }
  if (is_good && funding != NULL) row->u.ticker.funding_rate = tf_draft_funding_rate(funding);
  row->ts_event_ns = at != NULL ? tf_in_band_time_of(in, at, form) : 0;
  row->flags       = tf_draft_time_flags(row->ts_event_ns, in->frame->recv_ns);
  row->ingest_seq  = UINT64_MAX;
  row->kind        = TF_EVENT_TICKER;
  in->scan->kinds |= 1u << TF_EVENT_TICKER;
}

bool tf_in_band_u64(const tf_in_band_t *in, uint32_t object, uint32_t key, uint64_t *number) {
  const tf_json_value_t *v = tf_in_band_value(in, object, key);
  return v != NULL && tf_in_band_digits_of(in, v, number);
}

uint64_t tf_in_band_time(const tf_in_band_t *in, uint32_t object, uint32_t key,
                         tf_in_band_time_t form) {
  const tf_json_value_t *v = tf_in_band_value(in, object, key);
  return v != NULL ? tf_in_band_time_of(in, v, form) : 0;
}

void tf_in_band_complain(tf_in_band_t *in, uint32_t object, uint32_t key) {
  const tf_json_value_t *v = tf_in_band_value(in, object, key);
  if (v != NULL && (v->kind == TF_JSON_STRING || v->made == TF_JSON_MADE_NONE))
    tf_feeds_note_error(&in->head, v->bytes, v->bytes_cnt);
}

static bool put_reply(tf_in_band_t *in, const char *text, size_t text_bytes, bool is_request) {
  if (text_bytes >= sizeof in->out->reply) return false;
  memcpy(in->out->reply, text, text_bytes);
  in->out->reply[text_bytes] = '\0';
  in->out->reply_bytes_cnt   = (uint32_t)text_bytes;
  in->out->reply_is_request  = is_request;
  return true;
}

bool tf_in_band_reply(tf_in_band_t *in, const char *text, size_t text_bytes) {
  return put_reply(in, text, text_bytes, false);
}

bool tf_in_band_ask(tf_in_band_t *in, const char *text, size_t text_bytes) {
  return put_reply(in, text, text_bytes, true);
}

#define HEARTBEAT_BYTES_MAX 256u /* what is longer is data */

TF_COLD size_t tf_in_band_echo(void *state, const tf_frame_t *frame, char *buf, size_t cap) {
  tf_in_band_t      *in   = state;
  tf_in_band_scan_t *scan = in->scan;
  tf_feed_out_t      out; /* of which the reply alone is written */
  if (frame->bytes_cnt == 0 || frame->bytes_cnt > HEARTBEAT_BYTES_MAX || frame->bytes[0] != '{')
    return 0;
  out.reply_bytes_cnt = 0;
  in->frame           = frame;
  in->out             = &out;
  in->json            = (tf_json_t){0};
  scan->book_cnt = scan->book_row_cnt = scan->kinds = 0;
  for (uint32_t i = 0; i < in->spec->object_cnt; i++) scan->objects[i].seen = 0;
  bool is_one =
      tf_json_read(&in->json, frame->bytes, frame->bytes_cnt, &scan->objects[0]) == TF_JSON_OK &&
      in->json.root_kind == TF_JSON_OBJECT && in->spec->on_heartbeat(in);
  in->out = NULL;
  if (!is_one || out.reply_bytes_cnt >= cap) return 0;
  memcpy(buf, out.reply, out.reply_bytes_cnt + 1);
  return out.reply_bytes_cnt;
}

void tf_in_band_answer(tf_in_band_t *in, uint64_t request_id, uint32_t channel,
                       const tf_json_value_t *symbol, bool is_refusal) {
  tf_feed_out_t *out = in->out;
  tf_reject_t    unused;
  if (out->answer_cnt == TF_ANSWERS_MAX) return;
  uint32_t idx                    = symbol != NULL && symbol->kind == TF_JSON_STRING
                                        ? tf_symbols_of(&in->symbols, symbol, false, &unused)
                                        : TF_SYMBOLS_NONE;
  out->answers[out->answer_cnt++] = (tf_feed_answer_t){
      .request_id    = request_id,
      .channel       = channel,
      .instrument_id = idx == TF_SYMBOLS_NONE ? UINT32_MAX : in->symbols.rows[idx].instrument_id,
      .is_refusal    = is_refusal};
}

const tf_in_band_channel_t *tf_in_band_channel_of(tf_in_band_t               *in,
                                                  const tf_in_band_channel_t *table,
                                                  const tf_json_value_t      *name) {
  uint32_t n = name->bytes_cnt;
  if (TF_UNLIKELY(name->kind != TF_JSON_STRING || n == 0)) return NULL;
  uint32_t           place = (n + (uint8_t)name->bytes[0] + 5u * (uint8_t)name->bytes[n - 1]);
  tf_in_band_near_t *near  = &in->near[place % TF_IN_BAND_CHANNELS_NEAR];
  if (TF_LIKELY(near->table == table && near->name_bytes == n && !name->escaped &&
                memcmp(near->row->name, name->bytes, n) == 0))
    return near->row;
  for (const tf_in_band_channel_t *row = table; row->name != NULL; row++) {
    if (!tf_json_text_is(name, row->name, strlen(row->name))) continue;
    *near = (tf_in_band_near_t){table, row, (uint32_t)strlen(row->name)};
    return row;
  }
  return NULL;
}

const tf_in_band_channel_t *tf_in_band_take_channel(tf_in_band_t *in, tf_in_band_route_t *route,
                                                    const tf_in_band_channel_t *table,
                                                    const tf_json_value_t      *name) {
  const tf_in_band_channel_t *row = tf_in_band_channel_of(in, table, name);
  if (row != NULL) tf_in_band_take_row(route, row, name);
  return row;
}

void tf_in_band_take_row(tf_in_band_route_t *route, const tf_in_band_channel_t *row,
                         const tf_json_value_t *name) {
  route->what        = row->channels != 0 ? TF_IN_BAND_DATA : TF_IN_BAND_IGNORED;
  route->name        = name->bytes;
  route->name_bytes  = name->bytes_cnt;
  route->channels    = row->channels;
  route->depth       = row->depth;
  route->is_quote    = row->is_quote;
  route->is_snapshot = row->is_whole;
}

const tf_in_band_channel_t *tf_in_band_channel_for(const tf_in_band_t         *in,
                                                   const tf_in_band_channel_t *table,
                                                   uint32_t                    channel) {
  const tf_in_band_channel_t *found = NULL;
  for (const tf_in_band_channel_t *row = table; row->name != NULL; row++) {
    bool is_it = (row->channels & channel) != 0 &&
                 (channel != TF_CHANNEL_BOOK || row->depth == 0 || row->depth == in->depth);
    if (!is_it || (row->wants_key && in->key == NULL)) continue;
    if (found == NULL || (row->wants_key && !found->wants_key)) found = row;
  }
  return found;
}

tf_json_value_t tf_in_band_part(const tf_json_value_t *text, char by, uint32_t n, bool to_end) {
  tf_json_value_t part = *text;
  for (;; n--) {
    const char *stop = memchr(part.bytes, by, part.bytes_cnt);
    uint32_t    cnt  = stop != NULL ? (uint32_t)(stop - part.bytes) : part.bytes_cnt;
    if (n == 0) {
      if (!to_end) part.bytes_cnt = cnt;
      return part;
    }
    part.bytes += cnt + (stop != NULL);
    part.bytes_cnt -= cnt + (stop != NULL);
  }
}

bool tf_in_band_is_target(const tf_in_band_t *in, const char *path) {
  const char *target = in->frame->target;
  size_t      n = strlen(path), target_bytes = target != NULL ? strcspn(target, "?#") : 0;
  return target_bytes >= n && memcmp(target + target_bytes - n, path, n) == 0;
}

void tf_in_band_symbol_of_target(tf_in_band_t *in, const char *key, tf_in_band_route_t *route) {
  char *text = in->target_symbol;
  memset(text, 0, sizeof in->target_symbol);
  size_t n           = tf_symbols_in_target(in->frame->target, key, text, TF_SYMBOL_BYTES_MAX - 1);
  route->symbol      = (tf_json_value_t){.bytes = text, .bytes_cnt = (uint32_t)n};
  route->symbol.kind = TF_JSON_STRING;
}

uint32_t tf_in_band_row_idx(const tf_in_band_t *in, uint32_t instrument_id) {
  for (uint32_t i = 0; i < in->symbols.cnt; i++)
    if (in->symbols.rows[i].instrument_id == instrument_id) return i;
  return TF_SYMBOLS_NONE;
}

/* ---- live ---- */

static size_t put_text(char *buf, size_t cap, const char *text) {
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, text);
  return tf_text_out_finish(&t);
}

size_t tf_in_band_ws_target(const void *state, char *buf, size_t cap) {
  return put_text(buf, cap, ((const tf_in_band_t *)state)->spec->ws_path);
}

size_t tf_in_band_heartbeat(const void *state, char *buf, size_t cap) {
  return put_text(buf, cap, ((const tf_in_band_t *)state)->spec->heartbeat);
}

/* ---- lifetime ---- */

void tf_in_band_on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  tf_in_band_t *in      = state;
  in->connected_ns      = now_ns;
  in->is_login_answered = false;
  for (uint32_t i = 0; i < in->symbols.cnt; i++) {
    tf_in_band_row_t *row              = &in->rows[i];
    row->book.feed.trades.is_continued = false;
    row->has_ticker                    = false;
    memset(row->newest, 0, tf_in_band_newest_cnt(in->spec) * sizeof *row->newest);
    if (!(in->channels & TF_CHANNEL_BOOK)) continue;
    uint32_t id = in->symbols.rows[i].instrument_id;
    if (in->spec->bridges) {
      row->book.feed.ordinal = 0;
      tf_bridge_restart(&row->bridge, &in->pool, id, now_ns, out);
    } else {
      tf_book_row_restart(&row->book, out, id, now_ns);
    }
  }
}

void tf_in_band_lose_book(void *state, uint32_t instrument_id, uint64_t now_ns,
                          tf_feed_out_t *out) {
  tf_in_band_t *in  = state;
  uint32_t      idx = tf_in_band_row_idx(in, instrument_id);
  if (idx == TF_SYMBOLS_NONE || !(in->channels & TF_CHANNEL_BOOK)) return;
  if (in->spec->bridges) {
    tf_bridge_lose(&in->rows[idx].bridge, &in->pool, instrument_id, now_ns, out);
    return;
  }
  tf_frame_t frame = {.recv_ns = now_ns};
  tf_draft_t draft;
  tf_draft_begin(&draft, &frame, out, 0);
  tf_book_row_lose(&in->rows[idx].book, &draft, instrument_id, 0);
  out->event_cnt = draft.at;
}

tf_err_t tf_in_band_symbol(void *state, const char *text, uint32_t *symbol,
                           uint32_t *instrument_id) {
  return tf_symbols_ask_one(&((tf_in_band_t *)state)->symbols, text, symbol, instrument_id);
}

typedef struct {
  uint32_t row_cap, depth_max, slab_cnt, pending_cap;
  size_t   scan_at, rows_at, recent_at, newest_at, symbols_at, mirrors_at, mirror_bytes, pool_at,
      own_at, bytes;
} layout_t;

static layout_t layout_of(const tf_feed_config_t *config, const tf_in_band_spec_t *spec) {
  layout_t l;
  bool     has_books = spec->depth_max > 0 && (config->channels & TF_CHANNEL_BOOK);
  uint32_t asked     = config->book_depth > 0 ? config->book_depth : spec->depth_default;
  l.row_cap          = tf_symbols_cap_of(config);
  l.depth_max        = !has_books ? 0 : config->symbol_cnt == 0 ? spec->depth_max : asked;
  size_t recent      = spec->ids == TF_IN_BAND_IDS_CONSECUTIVE ? 0 : sizeof(tf_in_band_recent_t);
  l.scan_at          = tf_align_up(sizeof(tf_in_band_t), TF_LINE_BYTES);
  l.rows_at          = l.scan_at + tf_align_up(sizeof(tf_in_band_scan_t), TF_LINE_BYTES);
  l.recent_at        = l.rows_at + tf_align_up(l.row_cap * sizeof(tf_in_band_row_t), TF_LINE_BYTES);
  l.newest_at        = l.recent_at + tf_align_up(l.row_cap * recent, TF_LINE_BYTES);
  l.symbols_at =
      l.newest_at +
      tf_align_up(l.row_cap * tf_in_band_newest_cnt(spec) * sizeof(tf_newest_t), TF_LINE_BYTES);
  l.mirrors_at = l.symbols_at + tf_symbols_footprint(l.row_cap);
  l.mirror_bytes =
      l.depth_max == 0 ? 0 : tf_align_up(tf_depth_mirror_bytes(l.depth_max), TF_LINE_BYTES);
  l.slab_cnt = !spec->bridges ? 0 : l.row_cap < TF_CHAIN_SLABS_MAX ? l.row_cap : TF_CHAIN_SLABS_MAX;
  l.pending_cap = config->pending_cap > 0 ? config->pending_cap : TF_IN_BAND_PENDING_DEFAULT;
  l.pool_at     = l.mirrors_at + l.row_cap * l.mirror_bytes;
  l.own_at = l.pool_at + tf_align_up(tf_chain_pool_bytes(l.slab_cnt, l.pending_cap), TF_LINE_BYTES);
  l.bytes  = l.own_at + tf_align_up(spec->own_bytes, TF_LINE_BYTES);
  return l;
}

size_t tf_in_band_state_bytes(const tf_feed_t *feed, const tf_feed_config_t *config) {
  return layout_of(config, feed->spec).bytes;
}

static void scan_init(tf_in_band_t *in) {
  const tf_in_band_spec_t *spec = in->spec;
  tf_in_band_scan_t       *scan = in->scan;
  TF_ASSERT(spec->item_cnt <= 32); /* a bit each: tf_in_band_forms_t */
  memset(scan, 0, sizeof *scan);
  for (uint32_t i = 0; i < spec->object_cnt; i++) {
    const tf_in_band_object_t *o = &spec->objects[i];
    TF_ASSERT(o->key_cnt <= TF_IN_BAND_KEYS_MAX && o->child < spec->object_cnt);
    scan->shapes[i] = (tf_json_shape_t){o->keys, o->key_cnt};
    tf_json_orders_init(&scan->orders[i]);
    scan->objects[i] = (tf_json_object_t){.shape    = &scan->shapes[i],
                                          .orders   = &scan->orders[i],
                                          .values   = scan->values[i],
                                          .child    = o->child ? &scan->objects[o->child] : NULL,
                                          .second   = o->second ? &scan->objects[o->second] : NULL,
                                          .on_item  = tf_in_band_on_item,
                                          .self     = in,
                                          .is_tuple = o->keys[0].text == NULL};
  }
  if (spec->array_item) scan->objects[0].child->other = &scan->objects[spec->array_item];
  tf_json_layouts_init(&scan->layouts);
  scan->objects[0].layouts = scan->objects[spec->array_object].layouts = &scan->layouts;
}

static tf_err_t check_depth(const tf_feed_t *feed, uint32_t depth) {
  const tf_in_band_spec_t *spec = feed->spec;
  char                     text[128];
  size_t                   cnt = 0;
  if (depth == 0) return TF_OK;
  if (spec->depths == NULL) {
    if (spec->depth_max == 0 || depth <= spec->depth_max) return TF_OK;
    return TF_ERR(E_CONFIG_VALUE, "book_depth %u: %s has up to %u", depth, feed->suffix,
                  spec->depth_max);
  }
  for (const uint32_t *d = spec->depths; *d != 0; d++) {
    if (*d == depth) return TF_OK;
    int n = snprintf(text + cnt, sizeof text - cnt, "%s%u", cnt > 0 ? ", " : "", *d);
    if (n > 0 && (size_t)n < sizeof text - cnt) cnt += (size_t)n;
  }
  return TF_ERR(E_CONFIG_VALUE, "book_depth %u: %s has %s", depth, feed->suffix, text);
}

tf_err_t tf_in_band_init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  const tf_in_band_spec_t *spec   = feed->spec;
  tf_in_band_t            *in     = state;
  uint8_t                 *memory = state;
  layout_t                 l      = layout_of(config, spec);
  tf_err_t                 err    = check_depth(feed, config->book_depth);
  if (err != TF_OK) return err;
  if (config->pending_cap > PENDING_CAP_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "%u pending deltas: %u are the most", config->pending_cap,
                  PENDING_CAP_MAX);
  memset(memory, 0, l.symbols_at);
  memset(memory + l.own_at, 0, l.bytes - l.own_at);
  in->spec     = spec;
  in->channels = config->channels;
  in->key      = config->key;
  in->depth    = config->book_depth > 0 ? config->book_depth : spec->depth_default;
  in->scan     = (tf_in_band_scan_t *)(void *)(memory + l.scan_at);
  in->objects  = in->scan->objects;
  in->rows     = (tf_in_band_row_t *)(void *)(memory + l.rows_at);
  in->own      = spec->own_bytes > 0 ? memory + l.own_at : NULL;
  scan_init(in);
  tf_in_band_scan_words(in);
  if (spec->bridges) tf_chain_pool_init(&in->pool, memory + l.pool_at, l.slab_cnt, l.pending_cap);
  tf_in_band_recent_t *recent = (tf_in_band_recent_t *)(void *)(memory + l.recent_at);
  tf_newest_t         *newest = (tf_newest_t *)(void *)(memory + l.newest_at);
  for (uint32_t i = 0; i < l.row_cap; i++) {
    tf_in_band_row_t *row = &in->rows[i];
    row->newest           = newest + i * tf_in_band_newest_cnt(spec);
    tf_feed_row_init(&row->book.feed);
    tf_bridge_row_init(&row->bridge);
    if (l.mirror_bytes > 0)
      tf_depth_mirror_init(&row->book.mirror, memory + l.mirrors_at + i * l.mirror_bytes,
                           l.depth_max, spec->checksum);
    row->book.depth_known        = config->symbol_cnt > 0;
    row->book.for_checksums_only = spec->deletes_what_falls_out;
    if (spec->ids != TF_IN_BAND_IDS_CONSECUTIVE) row->recent = &recent[i];
  }
  err = tf_symbols_init(&in->symbols, memory + l.symbols_at, l.row_cap, config->instruments, feed);
  if (err == TF_OK)
    err = tf_symbols_ask(&in->symbols, config->symbols, config->symbol_cnt, spec->spelling);
  in->asked_cnt = in->symbols.cnt;
  return err;
}
