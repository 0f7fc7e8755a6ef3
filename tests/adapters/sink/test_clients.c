/* The clients of a listener without sockets: what each is sent, under every policy, slow and fast, coming
 * back with resume_from; what refuses it; what lets it go. A reader of frames written from tf/frame.h alone checks
 * every byte that a client is sent: an unbroken chain of sequences, or a LOST that says exactly what is
 * missing. */
#include "sink/clients.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/error.h"
#include "file/journal.h"

#define START_NS   (1000 * TF_NS_PER_SEC)
#define HELD_BYTES (16u << 20)

/* ---- a consumer ---- */

typedef struct consumer {
  tf_sink_client_t *client;
  uint8_t          *held; /* bytes that came, not yet read */
  size_t            held_cnt;
  bool              welcomed, ended;
  uint64_t          welcome_next_seq;
  uint64_t          next_seq; /* after WELCOME or the last record or LOST; 0: not known */
  uint64_t          prev_seq; /* of the last record */
  uint64_t          record_cnt, lost_cnt, lost_frames, beats, instruments;
  uint32_t          lost_reason, end_reason;
  uint64_t          end_next_seq;
  char              end_text[256];
  bool              is_conflating;
  bool              has_holes; /* of a filtered stream */
} consumer_t;

static void see_records(consumer_t *c, const tf_frame_header_t *h, const uint8_t *payload) {
  assert_int_equal(h->payload_bytes, h->record_cnt * sizeof(tf_decision_t));
  assert_true(h->record_cnt > 0);
  assert_int_equal(h->prev_seq, c->prev_seq);
  for (uint32_t i = 0; i < h->record_cnt; i++) {
    tf_decision_t d;
    memcpy(&d, payload + i * sizeof d, sizeof d);
    if (i == 0) assert_int_equal(d.decision_seq, h->first_seq);
    if (c->next_seq && !c->is_conflating && !c->has_holes)
      assert_int_equal(d.decision_seq, c->next_seq);
    assert_true(d.decision_seq > c->prev_seq);
    assert_int_equal(d.ingest_seq, d.decision_seq * 3); /* whole, and nobody else's */
    c->prev_seq = d.decision_seq;
    c->next_seq = d.decision_seq + 1;
    c->record_cnt++;
  }
}

static void see_frame(consumer_t *c, const tf_frame_header_t *h, const uint8_t *payload) {
  tf_frame_welcome_t w;
  tf_frame_lost_t    lost;
  tf_frame_end_t     end;
  assert_int_equal(h->magic, TF_FRAME_MAGIC);
  assert_int_equal(h->version, TF_FRAME_VERSION);
  assert_false(c->ended);
  assert_true(c->welcomed || h->kind == TF_FRAME_WELCOME || h->kind == TF_FRAME_END);
  switch (h->kind) {
  case TF_FRAME_WELCOME:
    memcpy(&w, payload, sizeof w);
    assert_int_equal(w.record_bytes, sizeof(tf_decision_t));
    assert_string_equal(w.stream, "out");
    assert_int_equal(w.epoch, 7);
    c->welcomed         = true;
    c->has_holes        = w.carries & TF_FRAME_FILTERED;
    c->welcome_next_seq = w.next_seq;
    break;
  case TF_FRAME_INSTRUMENTS: c->instruments += h->record_cnt; break;
  case TF_FRAME_RECORDS: see_records(c, h, payload); break;
  case TF_FRAME_LOST:
    memcpy(&lost, payload, sizeof lost);
    if (c->next_seq && !c->has_holes) assert_int_equal(lost.first_seq, c->next_seq);
    if (!c->has_holes) assert_int_equal(lost.record_cnt, lost.last_seq - lost.first_seq + 1);
    assert_in_range(lost.first_seq, c->next_seq, lost.last_seq);
    c->next_seq = lost.last_seq + 1;
    c->lost_cnt += lost.record_cnt;
    c->lost_frames++;
    c->lost_reason = lost.reason;
    break;
  case TF_FRAME_HEARTBEAT:
    c->beats++;
    assert_int_equal(h->payload_bytes, 0);
    if (c->next_seq) assert_int_equal(h->first_seq, c->next_seq);
    break;
  case TF_FRAME_END:
    memcpy(&end, payload, sizeof end);
    c->ended        = true;
    c->end_reason   = end.reason;
    c->end_next_seq = h->first_seq;
    assert_int_equal(h->payload_bytes, sizeof end + end.text_bytes);
    snprintf(c->end_text, sizeof c->end_text, "%.*s", (int)end.text_bytes, payload + sizeof end);
    break;
  default: fail_msg("frame kind %u", h->kind);
  }
}

static void see_bytes(consumer_t *c, const uint8_t *bytes, size_t cnt) {
  size_t            at = 0;
  tf_frame_header_t h;
  assert_true(c->held_cnt + cnt <= HELD_BYTES);
  memcpy(c->held + c->held_cnt, bytes, cnt);
  c->held_cnt += cnt;
  while (c->held_cnt - at >= sizeof h) {
    memcpy(&h, c->held + at, sizeof h);
    if (c->held_cnt - at < sizeof h + h.payload_bytes) break;
    see_frame(c, &h, c->held + at + sizeof h);
    at += sizeof h + h.payload_bytes;
  }
  c->held_cnt -= at;
  memmove(c->held, c->held + at, c->held_cnt);
}

/* ---- the listener ---- */

static tf_sink_config_t   config;
static tf_outlet_counts_t counts;
static tf_clients_t      *clients;
static void              *memory;
static uint64_t           now_ns, next_seq;
static consumer_t         consumers[8];
static tf_instrument_t    rows[4];
static tf_instruments_t   table = {.rows = rows, .cap = 4};

static void open_clients(tf_overflow_t policy) {
  config.policy = policy;
  size_t bytes  = tf_clients_bytes(&config);
  assert_true(bytes > 0);
  memory = aligned_alloc(TF_LINE_PAIR_BYTES, tf_align_up(bytes, TF_LINE_PAIR_BYTES));
  memset(memory, 0, bytes);
  assert_int_equal(tf_clients_init(&clients, memory, &config, &counts), TF_OK);
}

/* One of a filtered stream, every third sequence; missed: the sink's own queue dropped so many before it. */
static void publish_third(uint32_t missed) {
  tf_decision_t d   = {.decision_seq = next_seq, .ingest_seq = next_seq * 3};
  tf_out_t      out = {.record = &d, .seq = next_seq, .missed = missed};
  next_seq += 3;
  assert_int_equal(tf_clients_publish(clients, &out, 1, now_ns), 1);
}

static void publish(uint32_t n) {
  tf_decision_t d[64];
  tf_out_t      outs[64];
  while (n > 0) {
    uint32_t k = n < 64 ? n : 64;
    memset(d, 0, sizeof d);
    for (uint32_t i = 0; i < k; i++) {
      d[i].decision_seq  = next_seq;
      d[i].ingest_seq    = next_seq * 3;
      d[i].instrument_id = (uint32_t)(next_seq % 4);
      outs[i]            = (tf_out_t){.record = &d[i], .seq = next_seq++};
    }
    assert_int_equal(tf_clients_publish(clients, outs, k, now_ns), k);
    n -= k;
  }
}

/* Reads at most `most` bytes, as its socket would take them. */
static void serve(consumer_t *c, size_t most) {
  for (int idle = 0; most > 0 && idle < 200;) {
    size_t         cnt;
    const uint8_t *bytes = tf_sink_client_tx(clients, c->client, &cnt, now_ns);
    if (cnt == 0) {
      if (!c->client->has_more) return;
      idle++;
      continue;
    }
    if (cnt > most) cnt = most;
    see_bytes(c, bytes, cnt);
    tf_sink_client_sent(c->client, cnt, now_ns);
    most -= cnt;
    idle = 0;
  }
}

static consumer_t *connect_as(int slot) {
  consumer_t *c    = &consumers[slot];
  uint8_t    *held = c->held;
  *c               = (consumer_t){.held = held};
  c->client        = tf_clients_admit(clients, "test", false, now_ns);
  return c;
}

static void say_hello(consumer_t *c, uint64_t resume_from, const char *token) {
  uint8_t           bytes[1200];
  tf_frame_header_t h = {.magic         = TF_FRAME_MAGIC,
                         .kind          = TF_FRAME_HELLO,
                         .version       = TF_FRAME_VERSION,
                         .payload_bytes = (uint32_t)(sizeof(tf_frame_hello_t) + strlen(token))};
  tf_frame_hello_t  p = {.resume_from = resume_from,
                         .version     = TF_FRAME_VERSION,
                         .token_bytes = (uint16_t)strlen(token)};
  memcpy(bytes, &h, sizeof h);
  memcpy(bytes + sizeof h, &p, sizeof p);
  memcpy(bytes + sizeof h + sizeof p, token, strlen(token));
  tf_sink_client_said(clients, c->client, bytes, sizeof h + h.payload_bytes, now_ns);
  c->next_seq = resume_from == TF_FRAME_RESUME_NEXT ? 0 : resume_from;
}

static consumer_t *join(int slot, uint64_t resume_from) {
  consumer_t *c = connect_as(slot);
  assert_non_null(c->client);
  say_hello(c, resume_from, "");
  serve(c, SIZE_MAX);
  assert_true(c->welcomed);
  return c;
}

static int enter(void **state) {
  (void)state;
  config    = (tf_sink_config_t){.type         = "unix",
                                 .name         = "out",
                                 .shape        = tf_record_shape(TF_CARRIES_DECISIONS, 0),
                                 .slot_cnt     = 256,
                                 .epoch        = 7,
                                 .clients_max  = 4,
                                 .client_slots = 64,
                                 .strategy_cnt = 1,
                                 .instruments  = &table};
  counts    = (tf_outlet_counts_t){0};
  table.cnt = 0;
  memset(rows, 0, sizeof rows);
  now_ns   = START_NS;
  next_seq = 1;
  memory   = NULL;
  for (size_t i = 0; i < TF_ARRAY_CNT(consumers); i++)
    if (!consumers[i].held) consumers[i].held = malloc(HELD_BYTES);
  return 0;
}

static int leave(void **state) {
  (void)state;
  if (memory) tf_clients_fini(clients);
  free(memory);
  return 0;
}

/* ---- tests ---- */

static void a_live_client_gets_every_record_in_order(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
  consumer_t *c = join(0, TF_FRAME_RESUME_NEXT);
  assert_int_equal(c->welcome_next_seq, 0);
  for (int i = 0; i < 500; i++) {
    publish(1 + (uint32_t)i % 60);
    serve(c, 40);
    assert_true(tf_clients_have_unsent(clients));
    serve(c, SIZE_MAX);
    assert_false(tf_clients_have_unsent(clients));
  }
  assert_int_equal(c->record_cnt, next_seq - 1);
  assert_int_equal(c->lost_cnt, 0);
  assert_int_equal(counts.client_dropped, 0);
}

/* Byte by byte it is the same stream: a frame may be cut anywhere. */
static void a_client_that_reads_a_byte_at_a_time_sees_the_same(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
  consumer_t *c = join(0, TF_FRAME_RESUME_NEXT);
  publish(50);
  for (int i = 0; i < 50 * 128 + 400; i++) serve(c, 1);
  assert_int_equal(c->record_cnt, 50);
}

static void a_client_that_comes_back_has_no_hole_and_no_double(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
  publish(300); /* the backlog has 45 .. 300 */
  consumer_t *c = join(0, 100);
  assert_int_equal(c->welcome_next_seq, 100);
  assert_int_equal(c->record_cnt, 201);
  publish(10);
  serve(c, SIZE_MAX);
  assert_int_equal(c->record_cnt, 211);
  uint64_t from = c->next_seq;
  tf_sink_client_left(clients, c->client);
  publish(200);
  c = join(0, from);
  assert_int_equal(c->record_cnt, 200);
  assert_int_equal(c->lost_cnt, 0);
  assert_int_equal(counts.connects, 2);
  assert_int_equal(counts.disconnects, 1);
}

static void what_cannot_be_had_is_told_first(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
  publish(300);
  consumer_t *c = join(0, 10);
  assert_int_equal(c->welcome_next_seq, 45);
  assert_int_equal(c->lost_cnt, 35); /* 10 .. 44 */
  assert_int_equal(c->lost_reason, TF_FRAME_REASON_HISTORY);
  assert_int_equal(c->record_cnt, 256);
  c = join(1, TF_FRAME_RESUME_OLDEST);
  assert_int_equal(c->lost_cnt, 0);
  assert_int_equal(c->record_cnt, 256);
}

static void one_that_asks_for_what_is_to_come_gets_the_next(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
  publish(20);
  consumer_t *c = connect_as(0);
  say_hello(c, 1000, "");
  c->next_seq = 0;
  serve(c, SIZE_MAX);
  assert_int_equal(c->welcome_next_seq, 21); /* less than it asked for: another stream */
  publish(5);
  serve(c, SIZE_MAX);
  assert_int_equal(c->record_cnt, 5);
  assert_int_equal(c->next_seq, 26);
}

static void before_the_first_record_a_client_waits(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
  consumer_t *a = join(0, 5), *b = join(1, TF_FRAME_RESUME_OLDEST), *c = join(2, 900);
  next_seq    = 8;
  c->next_seq = 0;
  publish(3);
  serve(a, SIZE_MAX);
  serve(b, SIZE_MAX);
  serve(c, SIZE_MAX);
  assert_int_equal(a->lost_cnt, 3); /* 5 .. 7 */
  assert_int_equal(a->record_cnt, 3);
  assert_int_equal(b->lost_cnt, 0);
  assert_int_equal(b->record_cnt, 3);
  assert_int_equal(c->record_cnt, 3);
}

static void drop_newest_tells_one_range(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DROP_NEWEST);
  consumer_t *fast = join(0, TF_FRAME_RESUME_NEXT), *slow = join(1, TF_FRAME_RESUME_NEXT);
  for (int i = 0; i < 10; i++) {
    publish(20);
    serve(fast, SIZE_MAX);
  }
  assert_int_equal(counts.client_dropped, 200 - 64);
  serve(slow, SIZE_MAX);
  assert_int_equal(slow->record_cnt, 64);
  assert_int_equal(slow->lost_cnt, 136);
  assert_int_equal(slow->lost_frames, 1);
  assert_int_equal(slow->lost_reason, TF_FRAME_REASON_DROPPED);
  publish(3);
  serve(slow, SIZE_MAX);
  assert_int_equal(slow->record_cnt, 67);
  assert_int_equal(fast->record_cnt, 200);
  assert_int_equal(fast->lost_cnt, 0);
}

/* Holes are no loss; what is lost is told with its number, whoever lost it, live and from the backlog. */
static void of_a_filtered_stream_losses_alone_are_told(void **state) {
  (void)state;
  const tf_overflow_t policies[] = {TF_OVERFLOW_DROP_NEWEST, TF_OVERFLOW_DROP_OLDEST};
  for (size_t p = 0; p < TF_ARRAY_CNT(policies); p++) {
    enter(NULL);
    config.is_filtered = true;
    open_clients(policies[p]);
    consumer_t *fast = join(0, TF_FRAME_RESUME_NEXT), *slow = join(1, TF_FRAME_RESUME_NEXT);
    for (int i = 0; i < 10; i++) {
      for (int k = 0; k < 20; k++) publish_third(0);
      serve(fast, SIZE_MAX);
    }
    assert_int_equal(fast->record_cnt, 200);
    assert_int_equal(fast->lost_frames, 0);
    serve(slow, SIZE_MAX);
    assert_int_equal(slow->record_cnt + slow->lost_cnt, 200);
    assert_true(slow->lost_cnt >= 100);
    publish_third(7);
    publish_third(0);
    serve(fast, SIZE_MAX);
    serve(slow, SIZE_MAX);
    assert_int_equal(fast->record_cnt, 202);
    assert_int_equal(fast->lost_cnt, 7);
    assert_int_equal(fast->lost_frames, 1);
    assert_int_equal(slow->record_cnt + slow->lost_cnt, 200 + 7 + 2);
    consumer_t *late = join(2, TF_FRAME_RESUME_OLDEST);
    serve(late, SIZE_MAX);
    assert_int_equal(late->lost_cnt, 7);
    if (!p) leave(NULL);
  }
}

static void drop_oldest_keeps_what_is_new(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
  consumer_t *slow = join(0, TF_FRAME_RESUME_NEXT);
  publish(10);
  serve(slow, SIZE_MAX);
  publish(200);
  serve(slow, SIZE_MAX);
  assert_true(slow->record_cnt <= 10 + 64 && slow->record_cnt > 10);
  assert_int_equal(slow->record_cnt + slow->lost_cnt, 210);
  assert_int_equal(slow->lost_reason, TF_FRAME_REASON_DROPPED);
  assert_int_equal(slow->next_seq, 211);
  assert_int_equal(counts.client_dropped, slow->lost_cnt);
}

static void conflate_gives_the_latest_of_each(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_CONFLATE);
  consumer_t *slow    = join(0, TF_FRAME_RESUME_NEXT);
  slow->is_conflating = true;
  publish(100);
  serve(slow, SIZE_MAX);
  assert_int_equal(slow->record_cnt, 4);
  assert_int_equal(slow->prev_seq, 100);
  assert_int_equal(slow->lost_cnt, 0);
}

static void disconnect_says_from_where_to_come_back(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DISCONNECT);
  consumer_t *fast = join(0, TF_FRAME_RESUME_NEXT), *slow = join(1, TF_FRAME_RESUME_NEXT);
  for (int i = 0; i < 8; i++) {
    publish(9);
    serve(fast, SIZE_MAX);
  }
  serve(slow, SIZE_MAX);
  assert_true(slow->ended);
  assert_int_equal(slow->end_reason, TF_FRAME_REASON_SLOW);
  assert_int_equal(slow->end_next_seq, slow->prev_seq + 1);
  assert_true(tf_sink_client_over(clients, slow->client, now_ns));
  tf_sink_client_left(clients, slow->client);
  assert_int_equal(counts.clients_evicted, 1);
  uint64_t had = slow->record_cnt;
  slow         = join(1, slow->end_next_seq);
  assert_int_equal(had + slow->record_cnt, 72);
  assert_int_equal(fast->record_cnt, 72);
}

/* A record that the sink's own queue dropped is a hole for all, and told to all. */
static void a_hole_in_the_stream_is_told(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DISCONNECT);
  consumer_t *c = join(0, TF_FRAME_RESUME_NEXT);
  publish(5);
  next_seq += 7;
  publish(5);
  serve(c, SIZE_MAX);
  assert_int_equal(c->record_cnt, 10);
  assert_int_equal(c->lost_cnt, 7);
  c = join(1, 1);
  assert_int_equal(c->record_cnt, 10);
  assert_int_equal(c->lost_cnt, 7);
}

static void refused(int slot, tf_frame_reason_t reason, const char *text) {
  consumer_t *c = &consumers[slot];
  serve(c, SIZE_MAX);
  assert_true(c->ended && !c->welcomed);
  assert_int_equal(c->end_reason, reason);
  if (!strstr(c->end_text, text)) fail_msg("\"%s\" is not in: %s", text, c->end_text);
  assert_true(tf_sink_client_over(clients, c->client, now_ns));
  tf_sink_client_left(clients, c->client);
}

static void each_refusal_has_its_reason_and_its_count(void **state) {
  (void)state;
  char path[] = "/tmp/tf-token-XXXXXX";
  int  fd     = mkstemp(path);
  assert_int_equal(write(fd, "s3cret\n", 7), 7);
  close(fd);
  config.token_file = path;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
  consumer_t *c = connect_as(0);
  say_hello(c, 1, "");
  refused(0, TF_FRAME_REASON_TOKEN, "a token is wanted");
  static const char *const wrong[] = {"s3cre", "s3cret!", "S3cret", "s3cres", "s3crets3cret"};
  for (size_t i = 0; i < TF_ARRAY_CNT(wrong); i++) {
    c = connect_as(0);
    say_hello(c, 1, wrong[i]);
    refused(0, TF_FRAME_REASON_TOKEN, "that is not the token");
  }
  c = connect_as(0);
  tf_sink_client_said(clients, c->client, (const uint8_t *)"{\"type\"", 7, now_ns);
  refused(0, TF_FRAME_REASON_PROTOCOL, "TFF1");
  c = connect_as(0);
  now_ns += TF_SINK_CLIENT_HELLO_NS_MAX - 1;
  assert_false(tf_sink_client_over(clients, c->client, now_ns));
  now_ns += 1;
  assert_false(tf_sink_client_over(clients, c->client, now_ns)); /* its END is to be sent first */
  refused(0, TF_FRAME_REASON_TIMEOUT, "no hello within 2 s");
  c = connect_as(0);
  say_hello(c, TF_FRAME_RESUME_NEXT, "s3cret");
  serve(c, SIZE_MAX);
  assert_true(c->welcomed);
  tf_sink_client_said(clients, c->client, (const uint8_t *)"?", 1, now_ns);
  serve(c, SIZE_MAX);
  assert_int_equal(c->end_reason, TF_FRAME_REASON_PROTOCOL);
  assert_int_equal(counts.clients_evicted, 1);
  assert_int_equal(counts.clients_refused, 8);
  assert_int_equal(clients->refused[TF_FRAME_REASON_TOKEN], 6);
  assert_int_equal(clients->refused[TF_FRAME_REASON_PROTOCOL], 1);
  assert_int_equal(clients->refused[TF_FRAME_REASON_TIMEOUT], 1);
  unlink(path);
}

static void clients_max_holds_exactly(void **state) {
  (void)state;
  uint8_t           out[TF_FRAME_OUT_BYTES_MAX];
  tf_frame_header_t h;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
  for (int i = 0; i < 4; i++) join(i, TF_FRAME_RESUME_NEXT);
  assert_int_equal(counts.clients, 4);
  assert_null(connect_as(4)->client);
  assert_int_equal(counts.clients_refused, 1);
  assert_int_equal(clients->refused[TF_FRAME_REASON_FULL], 1);
  size_t cnt = tf_clients_full(clients, out);
  memcpy(&h, out, sizeof h);
  assert_int_equal(h.kind, TF_FRAME_END);
  assert_int_equal(cnt, sizeof h + h.payload_bytes);
  tf_sink_client_left(clients, consumers[2].client);
  join(4, TF_FRAME_RESUME_NEXT);
  publish(3);
  serve(&consumers[4], SIZE_MAX);
  assert_int_equal(consumers[4].record_cnt, 3);
}

static void a_quiet_stream_beats_within_a_second(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
  publish(3);
  consumer_t *c = join(0, TF_FRAME_RESUME_NEXT);
  for (int i = 0; i < 100; i++) {
    now_ns += TF_FRAME_HEARTBEAT_NS / 10;
    serve(c, SIZE_MAX);
  }
  assert_true(c->beats >= 10 && c->beats <= 21);
}

static void a_write_that_does_not_go_on_ends_the_client(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
  consumer_t *c = join(0, TF_FRAME_RESUME_NEXT);
  size_t      cnt;
  publish(3);
  tf_sink_client_tx(clients, c->client, &cnt, now_ns);
  assert_true(cnt > 0);
  now_ns += TF_SINK_CLIENT_WRITE_NS_MAX - 1;
  assert_false(tf_sink_client_over(clients, c->client, now_ns));
  tf_sink_client_sent(c->client, 1, now_ns); /* one byte is going on */
  now_ns += TF_SINK_CLIENT_WRITE_NS_MAX - 1;
  assert_false(tf_sink_client_over(clients, c->client, now_ns));
  now_ns += 1;
  assert_true(tf_sink_client_over(clients, c->client, now_ns));
  assert_int_equal(clients->ended[TF_FRAME_REASON_SLOW], 1);
}

static void instruments_come_before_the_records_that_name_them(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
  snprintf(rows[0].name, sizeof rows[0].name, "BTCUSDT.BINANCE-SPOT");
  tf_store_release_u32(&table.cnt, 1); /* pairs with: list_instruments */
  consumer_t *c = join(0, TF_FRAME_RESUME_NEXT);
  assert_int_equal(c->instruments, 1);
  tf_store_release_u32(&table.cnt, 2); /* pairs with: list_instruments */
  publish(1);
  serve(c, SIZE_MAX);
  assert_int_equal(c->instruments, 2);
  tf_instrument_t known = {.price_exp = -2};
  tf_instrument_set_metadata(&rows[0], &known, TF_METADATA_VENUE);
  now_ns += TF_NS_PER_SEC;
  serve(c, SIZE_MAX);
  assert_int_equal(c->instruments, 3); /* the first again: its price's scale is known now */
  now_ns += TF_NS_PER_SEC;
  serve(c, SIZE_MAX);
  assert_int_equal(c->instruments, 3);
}

static void at_the_end_all_get_what_is_queued_and_the_reason(void **state) {
  (void)state;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
  consumer_t *a = join(0, TF_FRAME_RESUME_NEXT), *b = connect_as(1);
  publish(30);
  tf_clients_stop(clients, now_ns);
  serve(a, SIZE_MAX);
  serve(b, SIZE_MAX);
  assert_int_equal(a->record_cnt, 30);
  assert_true(a->ended && b->ended);
  assert_int_equal(a->end_reason, TF_FRAME_REASON_CLOSED);
  assert_int_equal(a->end_next_seq, 31);
  assert_int_equal(counts.clients_evicted + counts.clients_refused, 0);
}

/* ---- out of the journal ---- */

static char journal_path[] = "/tmp/tf-history-XXXXXX";

static void write_journal(uint64_t first, uint64_t last, uint32_t a_block) {
  static tf_journal_t j;
  tf_journal_config_t jc = {.path = journal_path, .epoch_min = 7};
  assert_int_equal(tf_journal_init(&j, &jc), TF_OK);
  for (uint64_t seq = first; seq <= last; seq++) {
    tf_decision_t d = {.decision_seq = seq, .ingest_seq = seq * 3};
    assert_int_equal(tf_journal_append(&j, &d, 1, now_ns), 1);
    if (seq % a_block == 0) assert_int_equal(tf_journal_flush(&j, now_ns), TF_OK);
  }
  assert_int_equal(tf_journal_fini(&j), TF_OK);
}

static void open_with_journal(void) {
  strcpy(journal_path, "/tmp/tf-history-XXXXXX");
  int fd = mkstemp(journal_path);
  close(fd);
  unlink(journal_path);
  config.history = journal_path;
  open_clients(TF_OVERFLOW_DROP_OLDEST);
}

/* From each of many places, in files small and large enough to be searched by halves. */
static void what_the_backlog_has_no_more_comes_from_the_journal(void **state) {
  (void)state;
  static const struct {
    uint64_t last;
    uint32_t a_block;
  } of[] = {
      {1000,  7  },
      {20000, 100},
      {20000, 3  },
      {60000, 511}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(of); i++) {
    open_with_journal();
    write_journal(1, of[i].last, of[i].a_block);
    next_seq = of[i].last - 99;
    publish(100);
    for (uint64_t step = 0; step < 24; step++) {
      uint64_t    from = 1 + of[i].last * step / 24;
      consumer_t *c    = join(0, from);
      assert_int_equal(c->welcome_next_seq, from);
      assert_int_equal(c->record_cnt, of[i].last + 1 - from);
      assert_int_equal(c->lost_cnt, 0);
      assert_int_equal(c->client->phase, TF_SINK_CLIENT_LIVE);
      tf_sink_client_left(clients, c->client);
    }
    consumer_t *c = join(0, TF_FRAME_RESUME_OLDEST);
    assert_int_equal(c->record_cnt, of[i].last);
    tf_sink_client_left(clients, c->client);
    unlink(journal_path);
    tf_clients_fini(clients);
    free(memory);
    memory = NULL;
  }
}

static void a_damaged_journal_is_a_hole_that_is_told(void **state) {
  (void)state;
  open_with_journal();
  write_journal(1, 20000, 10);
  FILE *file = fopen(journal_path, "r+b");
  fseek(file, 64 + 1000 * (64 + 10 * 128), SEEK_SET);
  for (int i = 0; i < 3000; i++) fputc('?', file);
  fclose(file);
  next_seq = 20001;
  publish(10);
  consumer_t *c = join(0, 5000);
  assert_int_equal(c->record_cnt + c->lost_cnt, 20010 - 4999);
  assert_true(c->lost_cnt >= 10 && c->lost_cnt <= 60 && c->lost_frames == 1);
  assert_int_equal(c->lost_reason, TF_FRAME_REASON_HISTORY);
  unlink(journal_path);
}

static void the_journal_may_lag_and_grow_while_it_is_read(void **state) {
  (void)state;
  open_with_journal();
  write_journal(1, 500, 50);
  next_seq = 601;
  publish(10); /* 501 .. 600 are not in the journal yet */
  consumer_t *c = join(0, 400);
  assert_int_equal(c->record_cnt, 101);
  write_journal(501, 600, 10);
  serve(c, SIZE_MAX);
  assert_int_equal(c->record_cnt, 211);
  assert_int_equal(c->lost_cnt, 0);
  tf_sink_client_left(clients, c->client);
  next_seq = 700;
  publish(256); /* 601 .. 699 never come, and the backlog has forgotten 601 .. 610 */
  c = join(0, 595);
  assert_int_equal(c->record_cnt, 6);
  now_ns += TF_SINK_CLIENT_HISTORY_NS_MAX;
  serve(c, SIZE_MAX);
  assert_int_equal(c->lost_cnt, 99);
  assert_int_equal(c->lost_reason, TF_FRAME_REASON_HISTORY);
  assert_int_equal(c->next_seq, 956);
  unlink(journal_path);
}

static void an_engine_that_starts_again_serves_its_predecessors_journal(void **state) {
  (void)state;
  open_with_journal();
  write_journal(1, 500, 50);
  consumer_t *c = join(0, 450), *up_to_date = join(1, 501), *none = join(2, TF_FRAME_RESUME_NEXT);
  assert_int_equal(c->record_cnt, 51);
  assert_int_equal(up_to_date->welcome_next_seq, 501);
  next_seq = 501;
  publish(10);
  serve(c, SIZE_MAX);
  serve(up_to_date, SIZE_MAX);
  serve(none, SIZE_MAX);
  assert_int_equal(c->record_cnt, 61);
  assert_int_equal(up_to_date->record_cnt, 10);
  assert_int_equal(none->record_cnt, 10);
  assert_int_equal(c->lost_cnt + up_to_date->lost_cnt + none->lost_cnt, 0);
  unlink(journal_path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_live_client_gets_every_record_in_order, enter, leave),
      cmocka_unit_test_setup_teardown(a_client_that_reads_a_byte_at_a_time_sees_the_same, enter,
                                      leave),
      cmocka_unit_test_setup_teardown(a_client_that_comes_back_has_no_hole_and_no_double, enter,
                                      leave),
      cmocka_unit_test_setup_teardown(what_cannot_be_had_is_told_first, enter, leave),
      cmocka_unit_test_setup_teardown(one_that_asks_for_what_is_to_come_gets_the_next, enter,
                                      leave),
      cmocka_unit_test_setup_teardown(before_the_first_record_a_client_waits, enter, leave),
      cmocka_unit_test_setup_teardown(drop_newest_tells_one_range, enter, leave),
      cmocka_unit_test_setup_teardown(of_a_filtered_stream_losses_alone_are_told, enter, leave),
      cmocka_unit_test_setup_teardown(drop_oldest_keeps_what_is_new, enter, leave),
      cmocka_unit_test_setup_teardown(conflate_gives_the_latest_of_each, enter, leave),
      cmocka_unit_test_setup_teardown(disconnect_says_from_where_to_come_back, enter, leave),
      cmocka_unit_test_setup_teardown(a_hole_in_the_stream_is_told, enter, leave),
      cmocka_unit_test_setup_teardown(each_refusal_has_its_reason_and_its_count, enter, leave),
      cmocka_unit_test_setup_teardown(clients_max_holds_exactly, enter, leave),
      cmocka_unit_test_setup_teardown(a_quiet_stream_beats_within_a_second, enter, leave),
      cmocka_unit_test_setup_teardown(a_write_that_does_not_go_on_ends_the_client, enter, leave),
      cmocka_unit_test_setup_teardown(instruments_come_before_the_records_that_name_them, enter,
                                      leave),
      cmocka_unit_test_setup_teardown(at_the_end_all_get_what_is_queued_and_the_reason, enter,
                                      leave),
      cmocka_unit_test_setup_teardown(what_the_backlog_has_no_more_comes_from_the_journal, enter,
                                      leave),
      cmocka_unit_test_setup_teardown(a_damaged_journal_is_a_hole_that_is_told, enter, leave),
      cmocka_unit_test_setup_teardown(the_journal_may_lag_and_grow_while_it_is_read, enter, leave),
      cmocka_unit_test_setup_teardown(an_engine_that_starts_again_serves_its_predecessors_journal,
                                      enter, leave),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
