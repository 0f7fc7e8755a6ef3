/* The udp outlet and what reads it, over loopback with the test as the network between them: it loses,
 * doubles, turns round and damages datagrams by their count. Time is the test's own. */
#include "cmocka_tf.h"

#include "core/error.h"
#include "sink/egress.h"
#include "sink/source_rate.h"
#include "tf/udp_reader.h"

extern const tf_outlet_t tf_udp_outlet;

#define RECORDS_MAX   4096u
#define DATAGRAMS_MAX 2048u
#define A_DATAGRAM    11u /* decisions: (1472 - 48) / 128 */

typedef struct caught { /* what one line brought */
  uint32_t cnt;
  struct {
    uint32_t bytes;
    uint8_t  data[TF_FRAME_DATAGRAM_BYTES_MAX];
  } datagrams[DATAGRAMS_MAX];
} caught_t;

typedef struct rig {
  tf_sink_config_t   config;
  void              *outlet;
  int                nets[2]; /* where lines A and B end */
  char               urls[2][64];
  struct sockaddr_in sender[2];
  tf_outlet_view_t   view;
  uint64_t           now_ns;
  uint64_t           sent_seq;
  tf_udp_merge_t     merge;
  int                asker;    /* whom the sender answers */
  uint64_t           next_seq; /* that the reader must come to */
  uint64_t           lost_cnt, epochs;
} rig_t;

static rig_t    rig;
static caught_t lines[2];

static int net_open(char url[64]) {
  struct sockaddr_in at       = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t          at_bytes = sizeof at;
  int                fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), bytes = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &at_bytes), 0);
  snprintf(url, 64, "udp://127.0.0.1:%u", ntohs(at.sin_port));
  return fd;
}

static void outlet_open(void) {
  size_t bytes = tf_udp_outlet.state_bytes(&rig.config);
  rig.outlet   = malloc(bytes);
  memset(rig.outlet, 0x5a, bytes);
  assert_int_equal(tf_udp_outlet.open(rig.outlet, &rig.config), 0);
}

static void outlet_close(void) {
  tf_udp_outlet.close(rig.outlet);
  free(rig.outlet);
}

static void merge_open(uint64_t resume_from) {
  tf_udp_merge_config_t config = {.stream = "udp", .resume_from = resume_from};
  tf_udp_merge_init(&rig.merge, &config);
  rig.next_seq = 0;
  rig.lost_cnt = rig.epochs = 0;
}

static void rig_open(tf_carries_t carries, uint32_t line_cnt) {
  memset(&rig, 0, sizeof rig);
  for (int i = 0; i < 2; i++) rig.nets[i] = net_open(rig.urls[i]);
  rig.asker  = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  rig.now_ns = 1000 * TF_NS_PER_SEC;
  rig.config = (tf_sink_config_t){.type     = "udp",
                                  .name     = "udp",
                                  .shape    = tf_record_shape(carries, 3),
                                  .slot_cnt = 1024,
                                  .epoch    = 5,
                                  .url      = rig.urls[0],
                                  .url_b    = line_cnt == 2 ? rig.urls[1] : NULL};
  outlet_open();
  merge_open(0);
}

static void rig_close(void) {
  outlet_close();
  close(rig.nets[0]);
  close(rig.nets[1]);
  close(rig.asker);
}

/* Every byte of a record depends on its sequence. */
static void make_record(uint64_t seq, uint64_t *words) {
  for (uint32_t i = 0; i < rig.config.shape.bytes / 8; i++)
    words[i] = (seq + i) * UINT64_C(0x9e3779b97f4a7c15);
  memcpy((uint8_t *)words + rig.config.shape.seq_offset, &seq, sizeof seq);
}

static void offer(uint64_t seq) {
  uint64_t words[64];
  tf_out_t out = {.record = words, .seq = seq};
  make_record(seq, words);
  assert_int_equal(tf_udp_outlet.send(rig.outlet, &out, 1), 1);
  rig.sent_seq = seq;
}

static void send_to(uint64_t last_seq) {
  while (rig.sent_seq < last_seq) offer(rig.sent_seq + 1);
  tf_udp_outlet.flush(rig.outlet, rig.now_ns);
}

/* Lets the outlet run, and time go on. */
static void turn(uint64_t ns) {
  rig.now_ns += ns;
  tf_udp_outlet.poll(rig.outlet, rig.now_ns, 0, &rig.view);
}

/* What has come over both lines, kept in lines[]. Loopback delivers before sendto returns. */
static void catch_all(void) {
  for (int line = 0; line < 2; line++) {
    caught_t *c = &lines[line];
    for (c->cnt = 0; c->cnt < DATAGRAMS_MAX; c->cnt++) {
      socklen_t from_bytes = sizeof rig.sender[line];
      ssize_t   n = recvfrom(rig.nets[line], c->datagrams[c->cnt].data, sizeof c->datagrams[0].data,
                             0, (struct sockaddr *)&rig.sender[line], &from_bytes);
      if (n < 0) break;
      c->datagrams[c->cnt].bytes = (uint32_t)n;
    }
  }
}

static tf_udp_refusal_t feed(int line, uint32_t idx) {
  return tf_udp_merge_feed(&rig.merge, lines[line].datagrams[idx].data,
                           lines[line].datagrams[idx].bytes, rig.now_ns);
}

/* Takes results until there is none, and checks each: in order, whole, nothing untold. */
static tf_udp_result_t drain(void) {
  uint64_t words[64];
  for (;;) {
    tf_udp_result_t result = tf_udp_merge_next(&rig.merge, rig.now_ns);
    if (result == TF_UDP_EPOCH) {
      rig.epochs++;
    } else if (result == TF_UDP_RECORD) {
      uint64_t seq = tf_record_seq(&rig.merge.shape, rig.merge.record);
      if (rig.next_seq != 0 && tf_record_is_dense(rig.config.shape.carries))
        assert_int_equal(seq, rig.next_seq);
      make_record(seq, words);
      assert_memory_equal(rig.merge.record, words, rig.config.shape.bytes);
      rig.next_seq = seq + 1;
    } else if (result == TF_UDP_LOST) {
      if (rig.next_seq != 0) assert_int_equal(rig.merge.lost_from, rig.next_seq);
      assert_true(rig.merge.lost_to >= rig.merge.lost_from);
      rig.lost_cnt += rig.merge.lost_to - rig.merge.lost_from + 1;
      rig.next_seq = rig.merge.lost_to + 1;
    } else {
      return result;
    }
  }
}

/* Sends what the reader asks for, lets the outlet answer and feeds the answers but each lose_nth. */
static uint32_t ask_and_answer(uint32_t lose_nth) {
  tf_udp_ask_t asks[TF_UDP_ASKS_MAX];
  uint8_t      datagram[TF_FRAME_DATAGRAM_BYTES_MAX];
  uint32_t     cnt = tf_udp_merge_asks(&rig.merge, rig.now_ns, asks, TF_UDP_ASKS_MAX), at = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    tf_udp_ask_write(&rig.merge, &asks[i], datagram);
    assert_int_equal(sendto(rig.asker, datagram, sizeof datagram, 0,
                            (struct sockaddr *)&rig.sender[0], sizeof rig.sender[0]),
                     sizeof datagram);
  }
  turn(0);
  for (;;) {
    ssize_t n = recv(rig.asker, datagram, sizeof datagram, 0);
    if (n < 0) return cnt;
    if (lose_nth == 0 || ++at % lose_nth != 0)
      tf_udp_merge_feed(&rig.merge, datagram, (size_t)n, rig.now_ns);
    drain();
  }
}

/* ---- whole lines ---- */

static void datagrams_are_filled_to_the_mtu_and_say_what_is_in_them(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(3 * A_DATAGRAM + 2);
  catch_all();
  assert_int_equal(lines[0].cnt, 4);
  for (uint32_t i = 0; i < 4; i++) {
    tf_frame_header_t h;
    memcpy(&h, lines[0].datagrams[i].data, sizeof h);
    assert_int_equal(h.record_cnt, i < 3 ? A_DATAGRAM : 2);
    assert_int_equal(h.first_seq, 1 + i * A_DATAGRAM);
    assert_int_equal(h.prev_seq, i * A_DATAGRAM);
    assert_int_equal(lines[0].datagrams[i].bytes, TF_UDP_HEAD_BYTES + h.record_cnt * 128);
    assert_int_equal(feed(0, i), TF_UDP_TAKEN);
    drain();
  }
  turn(0);
  assert_int_equal(rig.view.phase, TF_OUTLET_READY);
  assert_int_equal(rig.view.acked_seq, 3 * A_DATAGRAM + 2);
  assert_int_equal(rig.merge.record_cnt, 3 * A_DATAGRAM + 2);
  assert_int_equal(rig.lost_cnt, 0);
  rig_close();
}

static void a_batch_waits_no_longer_than_linger(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  outlet_close();
  rig.config.linger_ns = TF_NS_PER_MS;
  outlet_open();
  turn(0);
  catch_all();
  send_to(2);
  catch_all();
  assert_int_equal(lines[0].cnt, 0);
  rig.now_ns += TF_NS_PER_MS - 1;
  send_to(3);
  catch_all();
  assert_int_equal(lines[0].cnt, 0);
  rig.now_ns += 1;
  send_to(3);
  catch_all();
  assert_int_equal(lines[0].cnt, 1);
  assert_int_equal(lines[0].datagrams[0].bytes, TF_UDP_HEAD_BYTES + 3 * 128);
  rig_close();
}

static void what_one_line_loses_the_other_brings_and_doubles_are_dropped(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 2);
  send_to(50 * A_DATAGRAM);
  catch_all();
  assert_int_equal(lines[0].cnt, 50);
  assert_int_equal(lines[1].cnt, 50);
  uint32_t fed = 0;
  for (uint32_t i = 0; i < 50; i++)
    for (int line = 0; line < 2; line++) {
      assert_memory_equal(lines[0].datagrams[i].data, lines[1].datagrams[i].data,
                          lines[0].datagrams[i].bytes);
      if (line == 0 ? i % 3 == 0 : i % 3 == 1) continue;
      fed++;
      feed(line, i);
      drain();
    }
  assert_int_equal(rig.next_seq, 50 * A_DATAGRAM + 1);
  assert_int_equal(rig.lost_cnt, 0);
  assert_int_equal(rig.merge.refused_cnt[TF_UDP_DOUBLE], fed - 50);
  rig_close();
}

static void what_comes_out_of_order_is_put_in_order(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(64 * A_DATAGRAM);
  catch_all();
  feed(0, 0);
  drain();
  for (uint32_t i = 1; i < 64; i += 7) /* each seven backwards, and each twice */
    for (int j = 6; j >= 0; j--)
      for (int twice = 0; twice < 2; twice++) {
        feed(0, i + (uint32_t)j);
        drain();
      }
  assert_int_equal(rig.next_seq, 64 * A_DATAGRAM + 1);
  assert_int_equal(rig.lost_cnt, 0);
  assert_int_equal(rig.merge.refused_cnt[TF_UDP_DOUBLE], 63);
  rig_close();
}

/* ---- holes ---- */

static void what_both_lines_lost_is_asked_for_and_repaired(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(40 * A_DATAGRAM);
  catch_all();
  for (uint32_t i = 0; i < 40; i++)
    if (i < 3 || i > 22) feed(0, i), drain();
  assert_int_equal(rig.next_seq, 3 * A_DATAGRAM + 1);
  assert_int_equal(ask_and_answer(0), 0); /* the other line may still bring it */
  rig.now_ns += TF_UDP_REORDER_NS;
  assert_int_equal(ask_and_answer(0),
                   TF_UDP_ASKS_MAX); /* 16 of the 20 datagrams that are missing */
  assert_int_equal(rig.next_seq, 19 * A_DATAGRAM + 1);
  rig.now_ns += TF_UDP_ASK_NS;
  assert_int_equal(ask_and_answer(0), 4);
  assert_int_equal(rig.next_seq, 40 * A_DATAGRAM + 1);
  assert_int_equal(rig.lost_cnt, 0);
  rig_close();
}

static void a_request_or_an_answer_that_is_lost_is_repeated(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(12 * A_DATAGRAM);
  catch_all();
  feed(0, 0), drain();
  feed(0, 11), drain();
  rig.now_ns += TF_UDP_REORDER_NS;
  uint32_t asked = ask_and_answer(2); /* every second answer is lost */
  assert_int_equal(asked, 10);
  assert_int_equal(ask_and_answer(0), 0); /* not at once */
  for (int i = 0; i < 8; i++) {
    rig.now_ns += TF_UDP_ASK_NS;
    ask_and_answer(i < 4 ? 2 : 0);
  }
  assert_int_equal(rig.next_seq, 12 * A_DATAGRAM + 1);
  assert_int_equal(rig.lost_cnt, 0);
  rig_close();
}

static void what_is_not_repaired_in_time_is_lost_exactly(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(10 * A_DATAGRAM);
  catch_all();
  for (uint32_t i = 0; i < 10; i++)
    if (i != 4 && i != 5 && i != 7) feed(0, i), drain();
  rig.now_ns += TF_UDP_REPAIR_NS - 1;
  assert_int_equal(drain(), TF_UDP_IDLE);
  rig.now_ns += 1;
  assert_int_equal(tf_udp_merge_next(&rig.merge, rig.now_ns), TF_UDP_LOST);
  assert_int_equal(rig.merge.lost_from, 4 * A_DATAGRAM + 1);
  assert_int_equal(rig.merge.lost_to, 6 * A_DATAGRAM);
  assert_int_equal(rig.merge.lost_reason, TF_FRAME_REASON_NONE);
  rig.next_seq = 6 * A_DATAGRAM + 1;
  drain();
  assert_int_equal(rig.next_seq, 7 * A_DATAGRAM + 1);
  rig.now_ns += TF_UDP_REPAIR_NS;
  drain();
  assert_int_equal(rig.merge.lost_from, 7 * A_DATAGRAM + 1);
  assert_int_equal(rig.merge.lost_to, 8 * A_DATAGRAM);
  assert_int_equal(rig.merge.lost_cnt, 3 * A_DATAGRAM);
  assert_int_equal(rig.next_seq, 10 * A_DATAGRAM + 1);
  rig_close();
}

static void a_lost_end_is_noticed_by_the_heartbeat(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(A_DATAGRAM);
  catch_all();
  feed(0, 0), drain();
  send_to(2 * A_DATAGRAM);
  catch_all(); /* lost */
  assert_int_equal(drain(), TF_UDP_IDLE);
  turn(10 * TF_NS_PER_MS);
  catch_all();
  assert_int_equal(lines[0].cnt, 1);
  feed(0, 0), drain();
  rig.now_ns += TF_UDP_REORDER_NS;
  assert_int_equal(ask_and_answer(0), 1);
  assert_int_equal(rig.next_seq, 2 * A_DATAGRAM + 1);
  assert_int_equal(rig.lost_cnt, 0);
  rig_close();
}

static void what_the_sender_dropped_is_lost_at_once_and_for_that_reason(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(5);
  rig.sent_seq = 9;
  send_to(12);
  catch_all();
  feed(0, 0), drain();
  feed(0, 1), drain();
  assert_int_equal(rig.next_seq, 13);
  assert_int_equal(rig.merge.lost_from, 6);
  assert_int_equal(rig.merge.lost_to, 9);
  assert_int_equal(rig.merge.lost_reason, TF_FRAME_REASON_DROPPED);
  assert_int_equal(rig.lost_cnt, 4);
  rig_close();
}

/* Sequences of quotes have holes by nature: that is no loss, a missing datagram is. */
static void a_kind_with_holes_in_its_numbers_loses_datagrams_only(void **state) {
  (void)state;
  rig_open(TF_CARRIES_QUOTES, 1);
  for (uint64_t seq = 3; seq < 3 + 5 * 200; seq += 5) offer(seq);
  tf_udp_outlet.flush(rig.outlet, rig.now_ns);
  catch_all();
  uint64_t taken = 0;
  for (uint32_t i = 0; i < lines[0].cnt; i++)
    if (i != 4) feed(0, i);
  for (tf_udp_result_t r; (r = tf_udp_merge_next(&rig.merge, rig.now_ns)) != TF_UDP_IDLE;)
    taken += r == TF_UDP_RECORD;
  assert_int_equal(taken, 4 * 22);
  rig.now_ns += TF_UDP_REORDER_NS;
  tf_udp_ask_t asks[TF_UDP_ASKS_MAX];
  assert_int_equal(tf_udp_merge_asks(&rig.merge, rig.now_ns, asks, TF_UDP_ASKS_MAX), 5);
  rig.now_ns += TF_UDP_REPAIR_NS;
  assert_int_equal(tf_udp_merge_next(&rig.merge, rig.now_ns), TF_UDP_LOST);
  assert_int_equal(rig.merge.lost_to, 3 + 5 * (5 * 22 - 1));
  assert_int_equal(rig.merge.lost_cnt, 1);
  rig_close();
}

static void a_request_into_a_hole_brings_what_is_behind_it(void **state) {
  (void)state;
  static const uint64_t begins[] = {1, 50000, 90000};
  rig_open(TF_CARRIES_QUOTES, 1);
  for (size_t i = 0; i < TF_ARRAY_CNT(begins); i++)
    for (uint64_t seq = begins[i]; seq < begins[i] + 22; seq++) offer(seq);
  tf_udp_outlet.flush(rig.outlet, rig.now_ns);
  catch_all();
  assert_int_equal(lines[0].cnt, 3);
  feed(0, 0);
  feed(0, 2);
  drain();
  rig.now_ns += TF_UDP_REORDER_NS;
  assert_int_equal(ask_and_answer(0), TF_UDP_ASKS_MAX);
  assert_int_equal(rig.merge.record_cnt,
                   22 + 1); /* the next; what is asked for then lies together */
  rig.now_ns += TF_UDP_REORDER_NS;
  (void)ask_and_answer(0);
  rig.now_ns += TF_UDP_ASK_NS;
  (void)ask_and_answer(0);
  assert_int_equal(rig.merge.record_cnt, 3 * 22);
  assert_int_equal(rig.merge.lost_cnt, 0);
  rig_close();
}

/* ---- joining, starting again, others ---- */

static void a_late_joiner_begins_with_what_comes_or_where_it_wants(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(100 * A_DATAGRAM);
  catch_all();
  feed(0, 60), drain();
  assert_int_equal(rig.next_seq, 61 * A_DATAGRAM + 1);
  assert_int_equal(rig.merge.record_cnt, A_DATAGRAM);
  merge_open(40 * A_DATAGRAM + 1); /* among the 1024 that the sender still has */
  rig.next_seq = 40 * A_DATAGRAM + 1;
  feed(0, 99), drain();
  for (int i = 0; i < 8; i++) {
    rig.now_ns += TF_UDP_ASK_NS;
    ask_and_answer(0);
  }
  assert_int_equal(rig.next_seq, 100 * A_DATAGRAM + 1);
  assert_int_equal(rig.lost_cnt, 0);
  merge_open(1); /* 1100 - 1024 = 76 are gone: told at once, the rest comes */
  rig.next_seq = 1;
  feed(0, 99), drain();
  for (int i = 0; i < 10; i++) {
    rig.now_ns += TF_UDP_ASK_NS;
    ask_and_answer(0);
  }
  assert_int_equal(rig.merge.lost_reason, TF_FRAME_REASON_HISTORY);
  assert_int_equal(rig.lost_cnt, 76);
  assert_int_equal(rig.next_seq, 100 * A_DATAGRAM + 1);
  rig_close();
}

static void another_start_is_told_and_the_old_one_is_ignored(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(3 * A_DATAGRAM);
  catch_all();
  static caught_t old;
  old = lines[0];
  feed(0, 0), drain();
  feed(0, 2), drain(); /* the second is missing when the engine starts anew */
  outlet_close();
  catch_all();
  rig.config.epoch++;
  outlet_open();
  send_to(5 * A_DATAGRAM); /* goes on behind its predecessor */
  catch_all();
  feed(0, 0);
  assert_int_equal(tf_udp_merge_next(&rig.merge, rig.now_ns), TF_UDP_LOST);
  assert_int_equal(rig.merge.lost_from, A_DATAGRAM + 1);
  assert_int_equal(rig.merge.lost_to, 3 * A_DATAGRAM);
  assert_int_equal(tf_udp_merge_next(&rig.merge, rig.now_ns), TF_UDP_EPOCH);
  assert_int_equal(rig.merge.epoch, 6);
  assert_int_equal(
      tf_udp_merge_feed(&rig.merge, old.datagrams[1].data, old.datagrams[1].bytes, rig.now_ns),
      TF_UDP_OLD_EPOCH);
  rig.next_seq = 3 * A_DATAGRAM + 1;
  drain();
  assert_int_equal(rig.next_seq, 4 * A_DATAGRAM + 1);
  feed(0, 1), drain();
  assert_int_equal(rig.next_seq, 5 * A_DATAGRAM + 1);
  rig_close();
}

static void an_engine_that_begins_again_from_one_takes_its_reader_along(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(3 * A_DATAGRAM);
  catch_all();
  for (uint32_t i = 0; i < 3; i++) feed(0, i), drain();
  outlet_close();
  catch_all();
  rig.config.epoch++;
  outlet_open();
  rig.sent_seq = 0;
  send_to(2 * A_DATAGRAM);
  catch_all();
  feed(0, 1); /* the first comes late */
  rig.next_seq = 0;
  drain();
  assert_int_equal(rig.epochs, 2);
  rig.next_seq = 1;
  feed(0, 0), drain();
  assert_int_equal(rig.next_seq, 2 * A_DATAGRAM + 1);
  assert_int_equal(rig.lost_cnt, 0);
  rig_close();
}

static void another_stream_in_the_same_group_is_left_alone(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(A_DATAGRAM);
  catch_all();
  feed(0, 0), drain();
  outlet_close();
  catch_all();
  rig.config.name = "other";
  outlet_open();
  rig.sent_seq = 0;
  send_to(2 * A_DATAGRAM);
  catch_all();
  assert_int_equal(feed(0, 0), TF_UDP_FOREIGN);
  assert_int_equal(feed(0, 1), TF_UDP_FOREIGN);
  drain();
  assert_int_equal(rig.next_seq, A_DATAGRAM + 1);
  rig_close();
}

static void the_end_is_told_once_all_is_there(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(2 * A_DATAGRAM);
  catch_all();
  feed(0, 0), drain();
  static caught_t kept;
  kept = lines[0];
  outlet_close();
  catch_all();
  assert_int_equal(lines[0].cnt, 1);
  feed(0, 0);
  assert_int_equal(drain(), TF_UDP_IDLE);
  tf_udp_merge_feed(&rig.merge, kept.datagrams[1].data, kept.datagrams[1].bytes, rig.now_ns);
  assert_int_equal(drain(), TF_UDP_ENDED);
  assert_int_equal(rig.next_seq, 2 * A_DATAGRAM + 1);
  outlet_open();
  rig_close();
}

static void silence_is_told_from_quiet(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  uint64_t ends_ns = rig.now_ns + 20 * TF_NS_PER_SEC;
  uint32_t cnt     = 0;
  while (rig.now_ns < ends_ns) { /* nothing is decided: heartbeats alone */
    turn(10 * TF_NS_PER_MS);
    catch_all();
    for (uint32_t i = 0; i < lines[0].cnt; i++) feed(0, i), cnt++;
    assert_int_equal(drain(), TF_UDP_IDLE);
  }
  assert_in_range(cnt, 19, 22);
  rig.now_ns += TF_UDP_QUIET_NS + TF_NS_PER_SEC;
  assert_int_equal(drain(), TF_UDP_QUIET);
  rig_close();
}

static void names_go_out_in_turn(void **state) {
  (void)state;
  static tf_instrument_t rows[45];
  tf_instruments_t       table    = {.rows = rows, .cap = 45, .cnt = 45};
  bool                   seen[45] = {0};
  for (uint32_t i = 0; i < 45; i++) {
    rows[i].id = i;
    snprintf(rows[i].name, sizeof rows[i].name, "COIN%u.TEST", i);
  }
  rig_open(TF_CARRIES_DECISIONS, 1);
  outlet_close();
  rig.config.instruments = &table;
  outlet_open();
  for (int i = 0; i < 60; i++) {
    turn(100 * TF_NS_PER_MS);
    catch_all();
    for (uint32_t k = 0; k < lines[0].cnt; k++) {
      tf_frame_header_t     h;
      tf_frame_instrument_t name;
      memcpy(&h, lines[0].datagrams[k].data, sizeof h);
      assert_int_equal(feed(0, k), TF_UDP_TAKEN);
      for (uint32_t n = 0; h.kind == TF_FRAME_INSTRUMENTS && n < h.record_cnt; n++) {
        memcpy(&name, lines[0].datagrams[k].data + TF_UDP_HEAD_BYTES + n * sizeof name,
               sizeof name);
        assert_string_equal(name.name, rows[name.id].name);
        assert_int_equal(name.price_exp, INT8_MIN);
        seen[name.id] = true;
      }
    }
  }
  for (uint32_t i = 0; i < 45; i++) assert_true(seen[i]);
  rig_close();
}

/* ---- damage ---- */

static void a_datagram_changed_anywhere_is_refused_and_the_other_line_serves(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 2);
  send_to(2 * A_DATAGRAM);
  catch_all();
  feed(0, 0), drain();
  uint32_t bytes = lines[0].datagrams[1].bytes;
  for (uint32_t i = 0; i < bytes; i++)
    for (int bit = 0; bit < 8; bit++) {
      lines[0].datagrams[1].data[i] ^= (uint8_t)(1 << bit);
      tf_udp_refusal_t why = feed(0, 1);
      assert_true(why == TF_UDP_CRC || why == TF_UDP_MAGIC || why == TF_UDP_SHORT);
      lines[0].datagrams[1].data[i] ^= (uint8_t)(1 << bit);
    }
  for (uint32_t cut = 0; cut < bytes; cut++)
    assert_int_equal(tf_udp_merge_feed(&rig.merge, lines[0].datagrams[1].data, cut, rig.now_ns),
                     TF_UDP_SHORT);
  assert_int_equal(drain(), TF_UDP_IDLE);
  assert_int_equal(rig.next_seq, A_DATAGRAM + 1);
  feed(1, 1), drain();
  assert_int_equal(rig.next_seq, 2 * A_DATAGRAM + 1);
  assert_int_equal(rig.lost_cnt, 0);
  rig_close();
}

static uint64_t draw(uint64_t *seed) { /* splitmix64 */
  uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
  z          = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z          = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* Heads that contradict each other, under a CRC that is right: nothing is read or written beside. */
static void heads_that_lie_are_harmless(void **state) {
  (void)state;
  uint64_t seed = 68;
  for (int round = 0; round < 20; round++) {
    rig_open(round % 2 ? TF_CARRIES_FEATURES : TF_CARRIES_DECISIONS, 1);
    send_to(30);
    catch_all();
    for (uint32_t i = 0; i < 3000; i++) {
      uint32_t          k = (uint32_t)(draw(&seed) % lines[0].cnt);
      uint8_t           bytes[TF_FRAME_DATAGRAM_BYTES_MAX];
      uint32_t          cnt = lines[0].datagrams[k].bytes;
      tf_frame_header_t h;
      memcpy(bytes, lines[0].datagrams[k].data, cnt);
      if (draw(&seed) % 4 == 0)
        cnt = TF_UDP_HEAD_BYTES + (uint32_t)(draw(&seed) % (cnt - TF_UDP_HEAD_BYTES));
      for (uint32_t n = 1 + (uint32_t)(draw(&seed) % 4); n > 0; n--) {
        uint32_t at = (uint32_t)(draw(&seed) % 96);
        if (at >= 4) bytes[at % cnt < 4 ? 8 : at % cnt] = (uint8_t)draw(&seed);
      }
      memcpy(&h, bytes, sizeof h);
      h.version       = TF_FRAME_VERSION;
      h.payload_bytes = cnt - TF_FRAME_HEADER_BYTES;
      h.crc32c        = 0;
      memcpy(bytes, &h, sizeof h);
      h.crc32c = tf_udp_crc_(rig.merge.crc_table, 0, bytes, cnt);
      memcpy(bytes, &h, sizeof h);
      tf_udp_merge_feed(&rig.merge, bytes, cnt, rig.now_ns);
      rig.now_ns += draw(&seed) % TF_NS_PER_MS;
      tf_udp_ask_t asks[TF_UDP_ASKS_MAX];
      for (int n = 0; n < 100 && tf_udp_merge_next(&rig.merge, rig.now_ns) != TF_UDP_IDLE; n++) {
      }
      while (rig.merge.now_at < rig.merge.now_cnt) tf_udp_merge_next(&rig.merge, rig.now_ns);
      tf_udp_merge_asks(&rig.merge, rig.now_ns, asks, TF_UDP_ASKS_MAX);
    }
    rig_close();
  }
}

/* Whatever the network does: each record is delivered once, in order, or is in exactly one LOST. */
static void every_record_is_delivered_once_or_told_as_lost(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 40; seed++) {
    uint64_t s = seed;
    rig_open(TF_CARRIES_DECISIONS, 2);
    rig.next_seq = 0;
    static struct {
      uint32_t bytes;
      uint8_t  data[TF_FRAME_DATAGRAM_BYTES_MAX];
    } delayed[8];
    for (int step = 0; step < 300; step++) {
      send_to(rig.sent_seq + 1 + draw(&s) % 40);
      turn(draw(&s) % (5 * TF_NS_PER_MS));
      catch_all();
      for (uint32_t i = 0; i < lines[0].cnt; i++)
        for (int line = 0; line < 2; line++) {
          uint64_t fate = draw(&s) % 100;
          if (i >= lines[line].cnt || fate < 30) continue; /* lost */
          if (fate < 45) {                                 /* an older one comes instead */
            uint32_t at = (uint32_t)(draw(&s) % 8);
            if (delayed[at].bytes)
              tf_udp_merge_feed(&rig.merge, delayed[at].data, delayed[at].bytes, rig.now_ns);
            delayed[at].bytes = lines[line].datagrams[i].bytes;
            memcpy(delayed[at].data, lines[line].datagrams[i].data, delayed[at].bytes);
          } else {
            if (fate < 50) lines[line].datagrams[i].data[fate] ^= 0x10;
            if (fate < 55) feed(line, i), drain();
            feed(line, i);
          }
          drain();
        }
      if (step % 3 == 0) ask_and_answer(seed % 2 ? 2 : 0);
      drain();
    }
    memset(delayed, 0, sizeof delayed);
    turn(TF_NS_PER_SEC); /* an end that is heard */
    catch_all();
    for (uint32_t i = 0; i < lines[0].cnt; i++) feed(0, i), drain();
    for (int i = 0; i < 4000 && rig.next_seq <= rig.sent_seq; i++) {
      rig.now_ns += TF_UDP_REPAIR_NS;
      drain();
    }
    assert_int_equal(rig.next_seq, rig.sent_seq + 1);
    assert_int_equal(rig.merge.lost_cnt, rig.lost_cnt);
    assert_true(rig.merge.record_cnt + rig.lost_cnt <= rig.sent_seq);
    assert_true(rig.merge.record_cnt > 0);
    rig_close();
  }
}

/* ---- what may be asked for ---- */

static uint32_t answer_bytes(uint64_t first, uint64_t last, uint32_t request_bytes) {
  uint8_t      datagram[TF_FRAME_DATAGRAM_BYTES_MAX];
  tf_udp_ask_t ask = {first, last};
  tf_udp_ask_write(&rig.merge, &ask, datagram);
  tf_frame_header_t h;
  memcpy(&h, datagram, sizeof h);
  h.payload_bytes = request_bytes - TF_FRAME_HEADER_BYTES;
  h.crc32c        = 0;
  memcpy(datagram, &h, sizeof h);
  h.crc32c = tf_udp_crc_(rig.merge.crc_table, 0, datagram, request_bytes);
  memcpy(datagram, &h, sizeof h);
  sendto(rig.asker, datagram, request_bytes, 0, (struct sockaddr *)&rig.sender[0],
         sizeof rig.sender[0]);
  turn(0);
  ssize_t n = recv(rig.asker, datagram, sizeof datagram, 0);
  assert_int_equal(recv(rig.asker, datagram, sizeof datagram, 0), -1); /* one answer at most */
  return n < 0 ? 0 : (uint32_t)n;
}

static void an_answer_is_never_larger_than_its_request(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(200);
  catch_all();
  feed(0, 0), drain();
  for (uint32_t bytes = TF_UDP_HEAD_BYTES + sizeof(tf_frame_resend_t);
       bytes <= TF_FRAME_DATAGRAM_BYTES_MAX; bytes += 40)
    assert_true(answer_bytes(1, 100, bytes) <= bytes);
  assert_int_equal(answer_bytes(1, 100, TF_UDP_HEAD_BYTES + 127), 0);
  assert_int_equal(answer_bytes(1, 100, TF_UDP_HEAD_BYTES + 128), TF_UDP_HEAD_BYTES + 128);
  assert_int_equal(answer_bytes(200, 200, 1472), TF_UDP_HEAD_BYTES + 128);
  assert_int_equal(answer_bytes(201, 210, 1472), 0);
  rig_close();
}

static void a_request_spans_at_most_1024_and_is_whole(void **state) {
  (void)state;
  rig_open(TF_CARRIES_DECISIONS, 1);
  send_to(200);
  catch_all();
  feed(0, 0), drain();
  assert_true(answer_bytes(1, 1023, 1472) > 0);
  assert_true(answer_bytes(1, 1024, 1472) > 0);
  assert_int_equal(answer_bytes(1, 1025, 1472), 0);
  assert_int_equal(answer_bytes(0, 10, 1472), 0);
  assert_int_equal(answer_bytes(10, 9, 1472), 0);
  assert_int_equal(answer_bytes(1, UINT64_MAX, 1472), 0);
  rig.merge.epoch++;
  assert_int_equal(answer_bytes(1, 10, 1472), 0);
  rig.merge.epoch--;
  rig.merge.stream++;
  assert_int_equal(answer_bytes(1, 10, 1472), 0);
  assert_int_equal(tf_udp_outlet.counts(rig.outlet)->errors, 6);
  rig_close();
}

static void a_source_may_ask_so_often_a_second(void **state) {
  (void)state;
  tf_source_rate_t rate;
  uint64_t         now_ns = 5 * TF_NS_PER_SEC;
  uint32_t         source = 1;
  tf_source_rate_init(&rate);
  for (uint32_t i = 0; i < TF_SOURCE_RATE_PER_SEC; i++)
    assert_true(tf_source_rate_allows(&rate, source, now_ns + i));
  assert_false(tf_source_rate_allows(&rate, source, now_ns + TF_NS_PER_SEC - 1));
  assert_true(tf_source_rate_allows(&rate, source, now_ns + TF_NS_PER_SEC));
  uint32_t allowed = 0;
  tf_source_rate_init(&rate);
  for (uint32_t i = 0; i < 100000; i++) allowed += tf_source_rate_allows(&rate, i, now_ns);
  assert_int_equal(allowed, TF_SOURCE_RATE_ALL_PER_SEC);
}

/* ---- config ---- */

static void wrong_configs_name_the_key_and_what_is_allowed(void **state) {
  (void)state;
  static uint8_t memory[1 << 20];
  static const struct {
    const char *url, *url_b, *interface, *want;
    uint32_t    value_cnt;
    uint64_t    slot_cnt;
  } cases[] = {
      {NULL,                    NULL,                  NULL,      "url: \"\": expected udp://ADDRESS:PORT", 3,   64},
      {"tcp://127.0.0.1:1",     NULL,                  NULL,      "url: \"tcp://127.0.0.1:1\"",             3,   64},
      {"udp://127.0.0.1:0",     NULL,                  NULL,      "url: ",                                  3,   64},
      {"udp://127.0.0.1:65536", NULL,                  NULL,      "url: ",                                  3,   64},
      {"udp://127.0.0.1:5x",    NULL,                  NULL,      "url: ",                                  3,   64},
      {"udp://[::1]:5000",      NULL,                  NULL,      "IPv4",                                   3,   64},
      {"udp://127.0.0.1:5000",  "udp://300.0.0.1:500", NULL,      "url_b: ",                                3,   64},
      {"udp://239.1.1.1:5000",  NULL,                  "nosuch0", "interface: there is no \"nosuch0\"",     3,   64},
      {"udp://127.0.0.1:5000",  NULL,                  NULL,
       "a row of 175 features does not fit into a datagram: 174 are allowed",                               175, 64},
      {"udp://127.0.0.1:5000",  NULL,                  NULL,      "slots: 32: a power of two from 64 on",   3,   32},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    tf_sink_config_t config = {.name     = "lines",
                               .shape    = tf_record_shape(TF_CARRIES_FEATURES, cases[i].value_cnt),
                               .slot_cnt = cases[i].slot_cnt,
                               .url      = cases[i].url,
                               .url_b    = cases[i].url_b,
                               .interface = cases[i].interface};
    assert_int_equal(tf_udp_outlet.open(memory, &config), E_SINK_CONFIG);
    if (!strstr(tf_error_text(), cases[i].want)) fail_msg("%zu: %s", i, tf_error_text());
    assert_non_null(strstr(tf_error_text(), "sink lines: "));
  }
  tf_sink_config_t good = {.name     = "lines",
                           .shape    = tf_record_shape(TF_CARRIES_FEATURES, 174),
                           .slot_cnt = 64,
                           .url      = "udp://127.0.0.1:5000"};
  assert_int_equal(tf_udp_outlet.open(memory, &good), 0);
  tf_udp_outlet.close(memory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(datagrams_are_filled_to_the_mtu_and_say_what_is_in_them),
      cmocka_unit_test(a_batch_waits_no_longer_than_linger),
      cmocka_unit_test(what_one_line_loses_the_other_brings_and_doubles_are_dropped),
      cmocka_unit_test(what_comes_out_of_order_is_put_in_order),
      cmocka_unit_test(what_both_lines_lost_is_asked_for_and_repaired),
      cmocka_unit_test(a_request_or_an_answer_that_is_lost_is_repeated),
      cmocka_unit_test(what_is_not_repaired_in_time_is_lost_exactly),
      cmocka_unit_test(a_lost_end_is_noticed_by_the_heartbeat),
      cmocka_unit_test(what_the_sender_dropped_is_lost_at_once_and_for_that_reason),
      cmocka_unit_test(a_kind_with_holes_in_its_numbers_loses_datagrams_only),
      cmocka_unit_test(a_request_into_a_hole_brings_what_is_behind_it),
      cmocka_unit_test(a_late_joiner_begins_with_what_comes_or_where_it_wants),
      cmocka_unit_test(another_start_is_told_and_the_old_one_is_ignored),
      cmocka_unit_test(an_engine_that_begins_again_from_one_takes_its_reader_along),
      cmocka_unit_test(another_stream_in_the_same_group_is_left_alone),
      cmocka_unit_test(the_end_is_told_once_all_is_there),
      cmocka_unit_test(silence_is_told_from_quiet),
      cmocka_unit_test(names_go_out_in_turn),
      cmocka_unit_test(a_datagram_changed_anywhere_is_refused_and_the_other_line_serves),
      cmocka_unit_test(heads_that_lie_are_harmless),
      cmocka_unit_test(every_record_is_delivered_once_or_told_as_lost),
      cmocka_unit_test(an_answer_is_never_larger_than_its_request),
      cmocka_unit_test(a_request_spans_at_most_1024_and_is_whole),
      cmocka_unit_test(a_source_may_ask_so_often_a_second),
      cmocka_unit_test(wrong_configs_name_the_key_and_what_is_allowed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
