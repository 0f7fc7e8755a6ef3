#include "market_script.h"

#include <string.h>

uint64_t script_random(uint64_t *seed) {
  *seed ^= *seed >> 12;
  *seed ^= *seed << 25;
  *seed ^= *seed >> 27;
  return *seed * UINT64_C(2685821657736338717);
}

static uint64_t below(uint64_t *seed, uint64_t bound) {
  return (script_random(seed) >> 11) % bound;
}

static void make_book(script_event_t *e, uint64_t *seed, int64_t mid) {
  e->bid_cnt = (uint32_t)below(seed, SCRIPT_LEVELS + 1);
  e->ask_cnt = (uint32_t)below(seed, SCRIPT_LEVELS + 1);
  if (below(seed, 8) != 0) { /* mostly both sides are there */
    e->bid_cnt += e->bid_cnt == 0;
    e->ask_cnt += e->ask_cnt == 0;
  }
  int64_t bid = mid - (int64_t)below(seed, 5), ask = mid + 1 + (int64_t)below(seed, 5);
  for (uint32_t i = 0; i < SCRIPT_LEVELS; i++) {
    e->bid_price[i] = bid;
    e->ask_price[i] = ask;
    e->bid_size[i]  = 1 + (int64_t)below(seed, 90000);
    e->ask_size[i]  = 1 + (int64_t)below(seed, 90000);
    bid -= 1 + (int64_t)below(seed, 3);
    ask += 1 + (int64_t)below(seed, 3);
  }
}

/* Of randomness of their own, so that everything else stays as it was without them. */
static void make_tickers(script_event_t *events, uint32_t cnt, uint64_t seed) {
  for (uint32_t i = cnt / 10; i < cnt; i++) {
    if (below(&seed, 12) != 0) continue;
    events[i].has_ticker = true;
    events[i].mark       = 6183763 + (int64_t)below(&seed, 20000) - 10000;
    events[i].funding    = (int64_t)below(&seed, 20000) - 8000;
  }
}

void script_make(script_event_t *events, uint32_t cnt, uint64_t seed, uint64_t step_ns) {
  const uint64_t ticker_seed = seed ^ UINT64_C(0x9e3779b97f4a7c15);
  uint64_t       now         = UINT64_C(1700000000000000000);
  int64_t        mid         = 6183763;
  memset(events, 0, cnt * sizeof *events);
  for (uint32_t i = 0; i < cnt; i++) {
    script_event_t *e = &events[i];
    switch (below(&seed, 10)) {
    case 0: now += step_ns; break; /* exactly the window's length */
    case 1: now += step_ns * 3; break;
    case 2: now -= below(&seed, step_ns); break; /* a clock that steps back */
    case 3:
    case 4:
    case 5: break; /* the same receive time */
    default: now += below(&seed, step_ns / 4); break;
    }
    mid += (int64_t)below(&seed, 7) - 3;
    e->now_ns = now;
    e->last   = below(&seed, 3) != 0 || i + 1 == cnt;
    switch (below(&seed, 20)) {
    case 0:
    case 1:
    case 2:
      e->kind    = 'Q';
      e->bid     = mid - (int64_t)below(&seed, 3);
      e->ask     = mid + 1 + (int64_t)below(&seed, 3);
      e->bid_qty = (int64_t)below(&seed, 50000);
      e->ask_qty = 1 + (int64_t)below(&seed, 50000);
      break;
    case 3:
    case 4:
    case 5:
      e->kind = 'B';
      make_book(e, &seed, mid);
      break;
    case 6: e->kind = 'V'; break;
    default:
      e->kind     = 'T';
      e->price    = mid;
      e->qty      = 1 + (int64_t)below(&seed, 4000);
      e->side     = (int)below(&seed, 2) * 2 - 1;
      e->backfill = below(&seed, 40) == 0;
      break;
    }
  }
  make_tickers(events, cnt, ticker_seed);
}

void script_market_init(script_market_t *m) {
  memset(m, 0, sizeof *m);
  m->book.bid       = (tf_book_side_t){m->qtys[0], m->pages[0], m->order[0], 0, 0, 1, 0};
  m->book.ask       = (tf_book_side_t){m->qtys[1], m->pages[1], m->order[1], 0, 0, 1, -1};
  m->book.price_exp = -2;
  m->book.qty_exp   = -3;
  m->book.state     = TF_BOOK_NONE;
  double nan        = __builtin_nan("");
  m->market         = (tf_market_t){.event           = &m->event,
                                    .book            = &m->book,
                                    .bid             = nan,
                                    .ask             = nan,
                                    .bid_qty         = nan,
                                    .ask_qty         = nan,
                                    .trade_price     = nan,
                                    .trade_qty       = nan,
                                    .mark_price      = nan,
                                    .funding_rate    = nan,
                                    .text_score      = nan,
                                    .text_confidence = nan,
                                    .text_novelty    = nan,
                                    .text_label      = nan};
  m->other          = m->market;
  m->peers[1]       = (tf_peer_t){.age_ns = UINT64_MAX}; /* it never comes */
  m->peers[0]       = m->peers[1];
}

tf_indicator_input_t script_input(const script_market_t *m, const tf_indicator_t *d, uint32_t on) {
  tf_indicator_input_t in = {.on = on, .market = &m->market};
  if (d->peers_max == 0) return in;
  in.peers    = m->peers;
  in.peer_cnt = d->peers_max > 1 ? 2 : 1;
  return in;
}

/* Comes at the third event, is not good at each eleventh. */
static void move_other(script_market_t *m) {
  m->other.bid    = m->market.bid * 0.5;
  m->other.ask    = m->market.ask * 0.5;
  m->other.now_ns = m->market.now_ns;
  if (++m->event_cnt < 3) return;
  bool is_good = m->event_cnt % 11 != 0;
  m->peers[0]  = (tf_peer_t){.market        = &m->other,
                             .values        = is_good ? m->other_values : NULL,
                             .good_until_ns = is_good ? m->other.now_ns + 100000000 : 0};
}

void script_set_side(tf_book_side_t *side, const int64_t *price, const int64_t *size,
                     uint32_t cnt) {
  side->page_cnt  = 0;
  side->level_cnt = cnt;
  for (uint32_t i = cnt; i-- > 0;) { /* worst first */
    int64_t key = price[i] ^ side->flip, number = key >> TF_BOOK_PAGE_BITS;
    if (side->page_cnt == 0 || side->pages[side->page_cnt - 1].number != number) {
      side->order[side->page_cnt] = side->page_cnt;
      memset(side->qtys[side->page_cnt], 0, sizeof side->qtys[0]);
      side->pages[side->page_cnt++] = (tf_book_page_t){.number = number};
    }
    uint32_t page = side->page_cnt - 1, slot = (uint32_t)key & (TF_BOOK_PAGE_PRICES - 1);
    side->pages[page].used |= 1u << slot;
    side->qtys[page][slot] = size[i];
  }
}

uint32_t script_market_apply(script_market_t *m, const script_event_t *e) {
  tf_market_t *k = &m->market;
  move_other(m);
  k->now_ns = e->now_ns;
  if (e->has_ticker) {
    k->mark_price      = tf_decimal_to_double(e->mark, -2);
    k->funding_rate    = tf_decimal_to_double(e->funding, -8);
    k->text_score      = k->funding_rate;
    k->text_confidence = k->mark_price;
    k->text_novelty    = k->mark_price - k->funding_rate;
    k->text_label      = (double)(e->mark % 5);
    k->text_ns         = e->now_ns;
  }
  m->event =
      (tf_event_t){.ts_recv_ns = e->now_ns, .flags = (uint8_t)(e->backfill ? TF_FLAG_BACKFILL : 0)};
  m->book.change_cnt += e->kind == 'B' || e->kind == 'V';
  switch (e->kind) {
  case 'T':
    m->event.kind  = TF_EVENT_TRADE;
    k->trade_price = tf_decimal_to_double(e->price, -2);
    k->trade_qty   = tf_decimal_to_double(e->qty, -3);
    k->trade_side  = e->side;
    return TF_ON_TRADE;
  case 'Q':
    m->event.kind = TF_EVENT_QUOTE;
    k->bid        = tf_decimal_to_double(e->bid, -2);
    k->ask        = tf_decimal_to_double(e->ask, -2);
    k->bid_qty    = tf_decimal_to_double(e->bid_qty, -3);
    k->ask_qty    = tf_decimal_to_double(e->ask_qty, -3);
    k->has_quote  = true;
    return TF_ON_QUOTE;
  case 'V': m->book.state = TF_BOOK_NONE; return TF_ON_BOOK;
  default:
    m->event.kind = TF_EVENT_BOOK;
    m->book.state = TF_BOOK_OK;
    script_set_side(&m->book.bid, e->bid_price, e->bid_size, e->bid_cnt);
    script_set_side(&m->book.ask, e->ask_price, e->ask_size, e->ask_cnt);
    return TF_ON_BOOK;
  }
}

void script_print(const script_event_t *events, uint32_t cnt, FILE *file) {
  for (uint32_t i = 0; i < cnt; i++) {
    const script_event_t *e = &events[i];
    if (e->has_ticker)
      fprintf(file, "event K 0 0 %llu %lld %lld\n", (unsigned long long)e->now_ns,
              (long long)e->mark, (long long)e->funding);
    fprintf(file, "event %c %d %d %llu", e->kind, e->last, e->backfill,
            (unsigned long long)e->now_ns);
    if (e->kind == 'T')
      fprintf(file, " %lld %lld %d", (long long)e->price, (long long)e->qty, e->side);
    if (e->kind == 'Q') {
      fprintf(file, " %lld %lld %lld %lld", (long long)e->bid, (long long)e->bid_qty,
              (long long)e->ask, (long long)e->ask_qty);
    }
    if (e->kind == 'B') {
      fprintf(file, " %u %u", e->bid_cnt, e->ask_cnt);
      for (uint32_t k = 0; k < e->bid_cnt; k++) {
        fprintf(file, " %lld %lld", (long long)e->bid_price[k], (long long)e->bid_size[k]);
      }
      for (uint32_t k = 0; k < e->ask_cnt; k++) {
        fprintf(file, " %lld %lld", (long long)e->ask_price[k], (long long)e->ask_size[k]);
      }
    }
    fputc('\n', file);
  }
}
