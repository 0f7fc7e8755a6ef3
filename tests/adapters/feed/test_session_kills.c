/* Legs that die at any byte: nothing missing, nothing doubled, books that go on. TF_KILLS: how many of each kind
 * (a nightly run: 10,000); TF_SEED. */
#include <sys/socket.h>

#include "session_stream.h"

#define OVERLAP_NS (10 * MS)
/* So long a connection has been heard when another may die: its own beginning is then behind both. */
#define COVER_NS     (OVERLAP_NS + 2 * KILL_LATE_NS + 10 * MS)
#define KILL_LATE_NS (2 * MS)
/* A hundred milliseconds: newcomers die before they are heard and after, and then the elder may die. */
#define LIFE_BYTES 20000u

static uint64_t began_ns[CONNS]; /* in stream time; 0: not sending */
static uint64_t is_taken[CONNS];
static uint64_t kill_cnt, killing;
static bool     has_snapshots; /* in band: sequences are the connection's */
static uint64_t seed;

/* What was published. */
static struct {
  uint8_t *ids; /* by trade id */
  uint64_t id_cap, first_id, last_id, doubled, book, broken, snapshots;
  uint8_t  book_state;
  bool     has_book;
} got;

static void on_events(void *self, const tf_batch_t *batch) {
  (void)self;
  for (uint32_t i = 0; i < batch->event_cnt; i++) {
    const tf_event_t *e = &batch->events[i];
    if (e->kind == TF_EVENT_STATUS) got.book_state = (uint8_t)e->u.status.book_state;
    if (e->kind == TF_EVENT_BOOK) {
      bool is_snapshot = (e->flags & TF_FLAG_SNAPSHOT) != 0;
      bool goes_on     = got.has_book && (uint64_t)e->u.level.qty == got.book + 1;
      got.broken += !is_snapshot && got.book_state == TF_BOOK_OK && !goes_on;
      got.snapshots += is_snapshot;
      got.book     = (uint64_t)e->u.level.qty;
      got.has_book = true;
    }
    if (e->kind != TF_EVENT_TRADE) continue;
    assert_true(e->u.trade.id < got.id_cap);
    got.doubled += got.ids[e->u.trade.id]++ > 0;
    if (got.first_id == 0) got.first_id = e->u.trade.id;
    if (e->u.trade.id > got.last_id) got.last_id = e->u.trade.id;
  }
}

/* A connection dies only beside one that covers it, and one at a time. */
static bool may_die(uint32_t place, uint64_t now_ns) {
  if (__atomic_exchange_n(&killing, 1, __ATOMIC_SEQ_CST)) return false;
  bool covered = false;
  for (uint32_t i = 0; i < CONNS; i++) {
    uint64_t begin_ns = load(&began_ns[i]);
    covered |= i != place && begin_ns != 0 && now_ns > begin_ns + COVER_NS;
  }
  if (covered) store(&began_ns[place], 0);
  store(&killing, 0);
  return covered;
}

/* The end, in the middle of a frame or between two, of a TLS record too. */
static void die(stub_conn_t *c, uint64_t how) {
  static const uint8_t record[] = {0x17, 0x03, 0x03, 0x00, 0x40, 1, 2, 3};
  uint8_t              frame[64];
  size_t               cnt  = stub_frame(frame, TF_WS_TEXT, "T 1234567890", 12);
  uint64_t             part = 1 + (how >> 8) % (cnt - 1);
  if (how & 1) stub_send(c, frame, part);
  if (how & 1) __atomic_add_fetch(&c->stub->ws_bytes, part, __ATOMIC_SEQ_CST);
  if (c->tls_on && (how & 2))
    (void)!send(c->fd, record, 1 + (how >> 16) % sizeof record, MSG_NOSIGNAL);
  if (how & 4)
    stub_reset(c);
  else
    shutdown(c->fd, SHUT_RDWR);
  __atomic_add_fetch(&kill_cnt, 1, __ATOMIC_SEQ_CST);
}

/* What the client says: false when it has gone. */
static bool hear(stub_conn_t *c, bool *sends_book, uint64_t id) {
  static _Thread_local uint8_t payload[65536];
  uint8_t                      byte;
  while (c->rx_cnt > c->rx_at || recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) {
    size_t cnt;
    int    op = stub_recv(c, payload, &cnt);
    if (op < 0 || op == TF_WS_CLOSE) return false;
    if (op != TF_WS_TEXT || cnt < 6 || memcmp(payload, "RE 0 ", 5) != 0) continue;
    *sends_book = payload[5] == '1';
    char text[32];
    snprintf(text, sizeof text, "V %llu", (unsigned long long)id);
    if (*sends_book) stub_text(c, text);
  }
  return true;
}

static uint64_t place_taken(void) {
  uint64_t place = 0;
  while (__atomic_exchange_n(&is_taken[place], 1, __ATOMIC_SEQ_CST)) place = (place + 1) % CONNS;
  return place;
}

static void script_dying(stub_conn_t *c, const char *target, uint32_t idx) {
  if (strncmp(target, "/snap", 5) == 0) { /* only where a gap was found, and there should be none */
    stub_answer(c, 200, NULL, "S 1");
    return;
  }
  uint64_t rng = (seed + idx + 1) * 0x9e3779b97f4a7c15u, bytes = 0;
  rng ^= rng >> 29, rng *= 0xbf58476d1ce4e5b9u, rng ^= rng >> 32;
  uint64_t life_bytes = rng % LIFE_BYTES;
  bool     sends_book = !has_snapshots;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  uint64_t place = place_taken();
  store(&late_of[place], (rng >> 20) % KILL_LATE_NS);
  store(&sent_ns[place], load(&stream_ns));
  store(&is_sending[place], 1);
  uint64_t id = load(&stream_ns) / TRADE_EVERY_NS;
  store(&began_ns[place], load(&stream_ns) + 1);
  while (!stub_stopping(c)) {
    uint64_t now_ns = load(&stream_ns);
    while (id * TRADE_EVERY_NS + load(&late_of[place]) <= now_ns) {
      char text[32];
      bytes += 4u + (uint64_t)snprintf(text, sizeof text, "T %llu", (unsigned long long)++id);
      stub_text(c, text);
      text[0] = 'U';
      if (sends_book) stub_text(c, text);
    }
    store(&sent_ns[place], id * TRADE_EVERY_NS);
    if (bytes > life_bytes && may_die((uint32_t)place, now_ns)) {
      die(c, rng >> 24);
      break;
    }
    if (!hear(c, &sends_book, id)) break;
    usleep(50);
  }
  store(&began_ns[place], 0);
  store(&is_sending[place], 0);
  store(&is_taken[place], 0);
}

static uint64_t number_of(const char *name, uint64_t otherwise) {
  const char *text = getenv(name);
  return text ? strtoull(text, NULL, 10) : otherwise;
}

static void legs_die_at_any_byte(bool is_shared, bool tls, uint64_t kills) {
  static tf_instrument_t   row       = {.name = "S0.FAKE"};
  static tf_instruments_t  table     = {.rows = &row, .cap = 1, .cnt = 1};
  static const char *const symbols[] = {"s0"};
  seed                               = number_of("TF_SEED", 1);
  print_message("seed %llu, %llu kills\n", (unsigned long long)seed, (unsigned long long)kills);
  memset(&got, 0, sizeof got);
  memset(began_ns, 0, sizeof began_ns);
  memset(is_taken, 0, sizeof is_taken);
  got.book_state = TF_BOOK_NONE;
  got.id_cap     = 4000000 + kills * 4000;
  got.ids        = calloc(got.id_cap, 1);
  kill_cnt       = 0;
  has_snapshots  = !is_shared;
  fake_shares = fake.sequences_are_shared = is_shared;
  fake.lose_book                          = fake_lose;
  if (!is_shared) {
    fake.snapshot_target = NULL;
    config.feed_config   = (tf_feed_config_t){
          .symbols = symbols, .symbol_cnt = 1, .channels = TF_CHANNEL_BOOK, .instruments = &table};
  }
  if (tls) {
    config.plain   = false;
    config.ca_file = cert;
    config.host    = "venue.test";
  }
  config.legs              = 2;
  config.overlap_ns        = OVERLAP_NS;
  config.overlap_bytes_max = 1u << 20;
  config.backoff           = (tf_backoff_config_t){
                .base_ns = MS, .bound_ns = MS, .gap_ns = MS, .lived_ns = MS, .window_ns = MS};
  config.tap = (tf_tap_t){0};
  begin_stream();
  begin(script_dying, tls);
  source->publisher = (tf_publisher_t){.publish = on_events};
  for (uint64_t n = 1; n <= kills; n++) STREAM_UNTIL(load(&kill_cnt) >= n);
  for (uint64_t until_ns = load(&stream_ns) + 60 * MS; load(&stream_ns) < until_ns;) poll_stream();
  uint64_t missing = 0;
  for (uint64_t id = got.first_id; id <= got.last_id; id++) missing += got.ids[id] == 0;
  print_message(
      "%s%s: %llu trades, %llu kills: missing %llu, doubled %llu, books broken %llu; gaps %llu, "
      "snapshots %llu, ends eof %llu reset %llu tls %llu\n",
      is_shared ? "shared" : "own", tls ? ", tls" : "",
      (unsigned long long)(got.last_id - got.first_id + 1), (unsigned long long)load(&kill_cnt),
      (unsigned long long)missing, (unsigned long long)got.doubled, (unsigned long long)got.broken,
      (unsigned long long)source->counts.gaps, (unsigned long long)got.snapshots,
      (unsigned long long)counts()->ends[TF_LINK_END_EOF],
      (unsigned long long)counts()->ends[TF_LINK_END_RESET],
      (unsigned long long)counts()->ends[TF_LINK_END_TLS]);
  assert_int_equal(missing, 0);
  assert_int_equal(got.doubled, 0);
  assert_int_equal(got.broken, 0);
  assert_int_equal(source->counts.gaps, 0);
  if (is_shared) { /* no death was noticed */
    assert_int_equal(got.snapshots, 1);
    assert_int_equal(got.book_state, TF_BOOK_OK);
    assert_true(got.last_id - got.book < 10);
  } else { /* a book that is asked for so often is asked for later each time (streams.h) */
    assert_true(got.snapshots >= 2);
  }
  free(got.ids);
}

static void shared_legs_die_at_any_byte(void **state) {
  (void)state;
  legs_die_at_any_byte(true, false, number_of("TF_KILLS", 100));
}
static void own_legs_die_at_any_byte(void **state) {
  (void)state;
  legs_die_at_any_byte(false, false, number_of("TF_KILLS", 100));
}
static void shared_legs_die_at_any_byte_of_tls(void **state) {
  (void)state;
  legs_die_at_any_byte(true, true, number_of("TF_KILLS", 60));
}
static void own_legs_die_at_any_byte_of_tls(void **state) {
  (void)state;
  legs_die_at_any_byte(false, true, number_of("TF_KILLS", 60));
}

int main(void) {
  if (!session_rig_start()) return 1;
  const struct CMUnitTest tests[] = {
      T(shared_legs_die_at_any_byte),
      T(own_legs_die_at_any_byte),
      T(shared_legs_die_at_any_byte_of_tls),
      T(own_legs_die_at_any_byte_of_tls),
  };
  int failed = RUN_SESSION_TESTS(TF_IO_AUTO, "session, kills", tests);
  return session_rig_stop(failed);
}
