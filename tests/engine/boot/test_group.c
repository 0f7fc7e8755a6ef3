/* Members of a group against a store and clocks that a seed spoils: requests and answers late, lost, clocks of other rates, members
 * that stall, die and come back, a table that is lost. TF_SEEDS: how many seeds. */
#include "cmocka_tf.h"

#include <stdio.h>
#include <string.h>

#include "boot/group.h"
#include "core/error.h"

#define MEMBERS    5u
#define PARTITIONS 7u
#define LEASE_NS                                                                                   \
  (200 *                                                                                           \
   TF_NS_PER_SEC) /* long: epochs of a new table count seconds, and tables are lost often here */
#define MESSAGES 256u
#define NEVER    UINT64_MAX

typedef struct message {
  uint64_t          arrive_ns, answer_ns; /* true time; NEVER: lost */
  uint64_t          session, number;      /* whose request, which */
  uint32_t          member;
  bool              is_used, is_swap;
  tf_group_result_t result;
  uint64_t          revision;
  size_t            bytes_cnt;
  uint8_t           bytes[64 + MEMBERS * 2 * 64 + PARTITIONS * 8];
} message_t;

typedef struct member {
  tf_group_t *group;
  bool        is_up, is_asking;
  double      rate;
  uint64_t    offset_ns, stalled_ns; /* true time until which nothing of it moves; 0 */
  uint64_t    number, timeout_ns;    /* of its request; true time */
  uint32_t    running[PARTITIONS];   /* epoch of the engine; 0: none */
  uint64_t stop_ns[PARTITIONS]; /* true time at which an engine that was told to has stopped; 0 */
} member_t;

typedef struct sim {
  uint64_t  random, now_ns, sessions;
  bool      is_rough;   /* faults of messages, clocks and members */
  bool      is_instant; /* messages take no time */
  uint32_t  cut_off;    /* a bit a member: its messages are lost */
  uint8_t   table[sizeof(tf_group_table_t)];
  size_t    table_bytes;
  uint64_t  revision;
  uint32_t  epochs[PARTITIONS]; /* the newest that an engine was started under */
  uint64_t  starts, served_from_ns[PARTITIONS], gap_ns_max;
  member_t  members[MEMBERS];
  message_t messages[MESSAGES];
} sim_t;

static uint64_t draw(sim_t *s, uint64_t below) {
  s->random ^= s->random << 13, s->random ^= s->random >> 7, s->random ^= s->random << 17;
  return s->random % below;
}

static uint64_t clock_of(const sim_t *s, const member_t *m) {
  return m->offset_ns + (uint64_t)((double)s->now_ns * m->rate);
}

/* The true time at which the member's clock shows it, rounded up. */
static uint64_t true_of(const member_t *m, uint64_t clock_ns) {
  if (clock_ns <= m->offset_ns) return 0;
  return (uint64_t)((double)(clock_ns - m->offset_ns) / m->rate) + 1000;
}

/* ---- members come and go ---- */

static void begin(sim_t *s, uint32_t i, uint32_t share_max) {
  member_t                *m              = &s->members[i];
  static const char *const names[MEMBERS] = {"m0", "m1", "m2", "m3", "m4"};
  tf_group_t              *group          = m->group ? m->group : malloc(sizeof *group);
  memset(m, 0, sizeof *m);
  m->group                 = group;
  m->rate                  = s->is_rough ? 1.0 + ((double)draw(s, 2001) - 1000) / 1000 / 128 : 1.0;
  m->offset_ns             = draw(s, UINT64_C(1) << 50);
  m->is_up                 = true;
  tf_group_config_t config = {.member         = names[i],
                              .session        = ++s->sessions * UINT64_C(0x9e3779b97f4a7c15),
                              .lease_ns       = LEASE_NS,
                              .partition_cnt  = PARTITIONS,
                              .share_max      = share_max,
                              .wall_offset_ns = 1000 * TF_NS_PER_SEC + s->now_ns - clock_of(s, m)};
  assert_int_equal(tf_group_init(group, &config), TF_OK);
}

static void end(sim_t *s, uint32_t i) {
  member_t *m = &s->members[i];
  for (uint32_t p = 0; p < PARTITIONS; p++)
    if (m->running[p]) s->served_from_ns[p] = s->now_ns;
  memset(m->running, 0, sizeof m->running);
  m->is_up = m->is_asking = false;
}

static bool is_stalled(const sim_t *s, const member_t *m) { return s->now_ns < m->stalled_ns; }

/* ---- engines ---- */

static void start_engine(sim_t *s, member_t *m, uint32_t p, uint32_t epoch) {
  for (uint32_t i = 0; i < MEMBERS; i++)
    if (&s->members[i] != m) {
      const member_t *other =
          &s->members[i]; /* one that is stalled does nothing, and looks at its clock first */
      bool runs = other->is_up && other->running[p] && !is_stalled(s, other);
      if (runs && clock_of(s, other) < other->group->safe_until_ns)
        fail_msg("seed: member %u runs partition %u under %u, member %u starts it under %u", i, p,
                 other->running[p], (uint32_t)(m - s->members), epoch);
    }
  assert_true(epoch > s->epochs[p]);
  s->epochs[p]  = epoch;
  m->running[p] = epoch;
  s->starts++;
  uint64_t gap_ns = s->served_from_ns[p] ? s->now_ns - s->served_from_ns[p] : 0;
  if (gap_ns > s->gap_ns_max) s->gap_ns_max = gap_ns;
}

static void engine_ended(sim_t *s, member_t *m, uint32_t p) {
  tf_group_used(m->group, p, m->running[p]);
  m->running[p]        = 0;
  m->stop_ns[p]        = 0;
  s->served_from_ns[p] = s->now_ns;
  if (m->group->own[p].gives_up) tf_group_stopped(m->group, p);
}

/* As the supervisor does: engines follow what the member holds. */
static void follow(sim_t *s, member_t *m) {
  uint64_t clock_ns = clock_of(s, m);
  for (uint32_t p = 0; p < PARTITIONS; p++) {
    uint32_t epoch;
    bool     holds    = tf_group_holds(m->group, p, clock_ns, &epoch);
    bool     gives_up = m->group->own[p].gives_up && clock_ns < m->group->safe_until_ns;
    if (m->running[p] && gives_up && m->stop_ns[p] == 0)
      m->stop_ns[p] = s->now_ns + draw(s, LEASE_NS / 20);
    bool is_over = m->running[p] && !holds && !gives_up; /* killed: the lease is over */
    bool is_new  = m->running[p] && m->running[p] != epoch;
    if (is_over || is_new || (m->stop_ns[p] && s->now_ns >= m->stop_ns[p])) engine_ended(s, m, p);
    if (!m->running[p] && gives_up) tf_group_stopped(m->group, p);
    if (!m->running[p] && tf_group_holds(m->group, p, clock_ns, &epoch))
      start_engine(s, m, p, epoch);
  }
}

/* ---- the store ---- */

static uint64_t delay(sim_t *s, uint32_t member) {
  if (s->cut_off >> member & 1) return NEVER;
  if (s->is_instant) return 0;
  if (!s->is_rough) return LEASE_NS / 20000 + draw(s, LEASE_NS / 2000);
  uint64_t dice = draw(s, 100);
  if (dice < 5) return NEVER;
  return dice < 10 ? draw(s, 3 * LEASE_NS) : draw(s, LEASE_NS / 100);
}

static uint64_t later(uint64_t from_ns, uint64_t by_ns) {
  return by_ns == NEVER ? NEVER : from_ns + by_ns;
}

static void ask(sim_t *s, uint32_t i, bool is_swap) {
  member_t  *m   = &s->members[i];
  message_t *msg = NULL;
  for (uint32_t k = 0; k < MESSAGES && !msg; k++)
    if (!s->messages[k].is_used) msg = &s->messages[k];
  assert_non_null(msg);
  *msg = (message_t){.is_used   = true,
                     .is_swap   = is_swap,
                     .member    = i,
                     .session   = m->group->config.session,
                     .number    = ++m->number,
                     .revision  = m->group->revision,
                     .arrive_ns = later(s->now_ns, delay(s, i)),
                     .answer_ns = NEVER};
  if (is_swap) {
    const tf_group_table_t *t            = &m->group->next;
    size_t                  member_bytes = t->head.member_cnt * sizeof t->members[0];
    msg->bytes_cnt                       = tf_group_table_bytes(t);
    assert_true(msg->bytes_cnt <= sizeof msg->bytes);
    memcpy(msg->bytes, &t->head, sizeof t->head);
    memcpy(msg->bytes + sizeof t->head, t->members, member_bytes);
    memcpy(msg->bytes + sizeof t->head + member_bytes, t->partitions,
           PARTITIONS * sizeof t->partitions[0]);
    tf_group_swap_begins(m->group, clock_of(s, m));
  }
  m->is_asking  = true;
  m->timeout_ns = s->now_ns + LEASE_NS / 8;
}

static void arrives(sim_t *s, message_t *msg) {
  msg->arrive_ns = NEVER;
  msg->result    = TF_GROUP_DONE;
  if (msg->is_swap && msg->revision != (s->table_bytes ? s->revision : 0)) {
    msg->result = TF_GROUP_LOST;
  } else if (msg->is_swap) {
    memcpy(s->table, msg->bytes, msg->bytes_cnt);
    s->table_bytes = msg->bytes_cnt;
    msg->revision  = ++s->revision;
  } else {
    memcpy(msg->bytes, s->table, s->table_bytes);
    msg->bytes_cnt = s->table_bytes;
    msg->revision  = s->table_bytes ? s->revision : 0;
  }
  msg->answer_ns = later(s->now_ns, delay(s, msg->member));
  msg->is_used   = msg->answer_ns != NEVER;
}

static void answered(sim_t *s, message_t *msg) {
  member_t *m  = &s->members[msg->member];
  msg->is_used = false;
  if (!m->is_up || m->group->config.session != msg->session || m->number != msg->number ||
      !m->is_asking)
    return;
  m->is_asking = false;
  if (msg->is_swap)
    tf_group_was_swapped(m->group, msg->result, msg->revision, clock_of(s, m));
  else
    assert_int_equal(tf_group_was_read(m->group, msg->result, msg->bytes, msg->bytes_cnt,
                                       msg->revision, clock_of(s, m)),
                     TF_OK);
}

static void timed_out(sim_t *s, member_t *m) {
  m->is_asking = false;
  if (m->group->does == TF_GROUP_SWAP)
    tf_group_was_swapped(m->group, TF_GROUP_FAILED, 0, clock_of(s, m));
  else
    (void)tf_group_was_read(m->group, TF_GROUP_FAILED, NULL, 0, 0, clock_of(s, m));
}

/* ---- the run of time ---- */

static void turn(sim_t *s, uint32_t i) {
  member_t *m = &s->members[i];
  follow(s, m);
  if (m->is_asking) return;
  tf_group_do_t does = tf_group_next(m->group, clock_of(s, m));
  if (does == TF_GROUP_READ || does == TF_GROUP_SWAP) ask(s, i, does == TF_GROUP_SWAP);
  if (does == TF_GROUP_LEFT) end(s, i);
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t next_of(const sim_t *s, const member_t *m) {
  if (is_stalled(s, m)) return m->stalled_ns;
  uint64_t next = m->is_asking ? m->timeout_ns : true_of(m, m->group->next_ns);
  if (!m->is_asking && m->group->does != TF_GROUP_WAIT) next = s->now_ns;
  for (uint32_t p = 0; p < PARTITIONS; p++) {
    if (m->running[p]) next = least(next, true_of(m, m->group->safe_until_ns));
    if (m->stop_ns[p]) next = least(next, m->stop_ns[p]);
  }
  return next;
}

static void run_until(sim_t *s, uint64_t until_ns) {
  while (s->now_ns < until_ns) {
    uint64_t next = until_ns;
    for (uint32_t k = 0; k < MESSAGES; k++)
      if (s->messages[k].is_used)
        next = least(next, least(s->messages[k].arrive_ns, s->messages[k].answer_ns));
    for (uint32_t i = 0; i < MEMBERS; i++)
      if (s->members[i].is_up) next = least(next, next_of(s, &s->members[i]));
    s->now_ns = next > s->now_ns ? next : s->now_ns + 1000;
    for (uint32_t k = 0; k < MESSAGES; k++) {
      message_t *msg = &s->messages[k];
      if (msg->is_used && msg->arrive_ns <= s->now_ns) arrives(s, msg);
      if (msg->is_used && msg->arrive_ns == NEVER && msg->answer_ns == NEVER) msg->is_used = false;
      if (!msg->is_used || msg->answer_ns > s->now_ns) continue;
      if (is_stalled(s, &s->members[msg->member]))
        msg->answer_ns = s->members[msg->member].stalled_ns;
      else
        answered(s, msg);
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
      member_t *m = &s->members[i];
      if (!m->is_up || is_stalled(s, m)) continue;
      if (m->is_asking && m->timeout_ns <= s->now_ns) timed_out(s, m);
      turn(s, i);
    }
  }
}

static uint32_t up_cnt(const sim_t *s) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < MEMBERS; i++) cnt += s->members[i].is_up;
  return cnt;
}

/* Something happens to somebody. */
static void trouble(sim_t *s) {
  uint32_t  i    = (uint32_t)draw(s, MEMBERS);
  member_t *m    = &s->members[i];
  uint64_t  what = draw(s, 10);
  if (!m->is_up)
    begin(s, i, (uint32_t)draw(s, 3) ? 0 : 3);
  else if (what < 3 && up_cnt(s) > 1)
    end(s, i);
  else if (what < 6)
    m->stalled_ns = s->now_ns + draw(s, 3 * LEASE_NS);
  else if (what < 8)
    tf_group_leave(m->group);
  else if (what == 8 && draw(s, 4) == 0)
    s->table_bytes = 0; /* the store has lost it */
}

static void check_all_is_served(const sim_t *s) {
  uint32_t running[PARTITIONS] = {0}, most = 0, least_cnt = PARTITIONS, free_hands = 0;
  for (uint32_t i = 0; i < MEMBERS; i++) {
    uint32_t cnt = 0;
    if (!s->members[i].is_up) continue;
    for (uint32_t p = 0; p < PARTITIONS; p++) {
      cnt += s->members[i].running[p] != 0;
      running[p] += s->members[i].running[p] != 0;
    }
    if (s->members[i].group->config.share_max) continue;
    free_hands++;
    most      = cnt > most ? cnt : most;
    least_cnt = cnt < least_cnt ? cnt : least_cnt;
  }
  if (free_hands == 0) return;
  for (uint32_t p = 0; p < PARTITIONS; p++) assert_int_equal(running[p], 1);
  assert_true(most - least_cnt <= 1);
}

static sim_t *sim_of(uint64_t seed) {
  sim_t *s  = calloc(1, sizeof *s);
  s->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
  return s;
}

static void sim_free(sim_t *s) {
  for (uint32_t i = 0; i < MEMBERS; i++) free(s->members[i].group);
  free(s);
}

static uint64_t seed_cnt(uint64_t standard) {
  const char *text = getenv("TF_SEEDS");
  return text ? strtoull(text, NULL, 10) : standard;
}

static void one_partition_never_has_two_holders(void **state) {
  (void)state;
  uint64_t starts = 0;
  for (uint64_t seed = 1; seed <= seed_cnt(300); seed++) {
    sim_t *s    = sim_of(seed);
    s->is_rough = true;
    for (uint32_t i = 0; i < 1 + draw(s, MEMBERS); i++) begin(s, i, 0);
    for (uint32_t k = 0; k < 30; k++) {
      run_until(s, s->now_ns + draw(s, 3 * LEASE_NS));
      trouble(s);
    }
    s->is_rough = false; /* and in the end everything is well */
    if (up_cnt(s) == 0) begin(s, 0, 0);
    run_until(s, s->now_ns + 12 * LEASE_NS);
    if (up_cnt(s) == 0) begin(s, 0, 0), run_until(s, s->now_ns + 4 * LEASE_NS);
    check_all_is_served(s);
    starts += s->starts;
    sim_free(s);
  }
  assert_true(starts > 50 * seed_cnt(300)); /* it was no idle play */
}

/* The worst that the argument of group.h allows: the holder's clock slow, the other's fast, no message with any delay. */
static void a_holder_that_is_cut_off_stops_before_another_begins(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= seed_cnt(300); seed++) {
    sim_t *s      = sim_of(seed);
    s->is_instant = true;
    begin(s, 0, 0);
    run_until(s,
              1 + draw(s, LEASE_NS / 4)); /* so the other's look comes at any time behind a beat */
    begin(s, 1, 0);
    s->members[0].rate = 1 - 1.0 / 128;
    s->members[1].rate = 1 + 1.0 / 128;
    run_until(s, 4 * LEASE_NS + draw(s, 2 * LEASE_NS));
    s->cut_off = 1;
    run_until(s, s->now_ns + 3 * LEASE_NS);
    for (uint32_t p = 0; p < PARTITIONS; p++) assert_true(s->members[1].running[p]);
    sim_free(s);
  }
}

static void what_a_killed_member_had_is_served_within_two_leases(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= seed_cnt(200); seed++) {
    sim_t *s = sim_of(seed);
    for (uint32_t i = 0; i < 3; i++) begin(s, i, 0);
    run_until(s, 5 * LEASE_NS + draw(s, LEASE_NS));
    s->gap_ns_max = 0;
    end(s, (uint32_t)draw(s, 3));
    run_until(s, s->now_ns + 3 * LEASE_NS);
    check_all_is_served(s);
    assert_in_range(s->gap_ns_max, LEASE_NS * 3 / 4, 2 * LEASE_NS);
    sim_free(s);
  }
}

static void who_comes_or_leaves_moves_no_more_than_its_share(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= seed_cnt(200); seed++) {
    sim_t *s = sim_of(seed);
    begin(s, 0, 0);
    begin(s, 1, 0);
    run_until(s, 5 * LEASE_NS);
    uint64_t starts = s->starts;
    begin(s, 2, 0);
    run_until(s, 8 * LEASE_NS);
    check_all_is_served(s);
    assert_int_equal(s->starts - starts, 2); /* of 4 and 3: 3, 2, 2 */
    starts        = s->starts;
    s->gap_ns_max = 0;
    tf_group_leave(s->members[2].group);
    run_until(s, 10 * LEASE_NS);
    check_all_is_served(s);
    assert_false(s->members[2].is_up);
    assert_int_equal(s->starts - starts, 2);
    assert_true(s->gap_ns_max < LEASE_NS / 4); /* nobody waits for a lease to run out */
    sim_free(s);
  }
}

static void an_engine_that_ended_gets_a_later_epoch(void **state) {
  (void)state;
  sim_t *s = sim_of(1);
  begin(s, 0, 0);
  run_until(s, 3 * LEASE_NS);
  uint32_t epoch = s->members[0].running[3], other = s->members[0].running[4];
  assert_true(epoch > 1000);
  engine_ended(s, &s->members[0], 3);
  run_until(s, 4 * LEASE_NS);
  assert_int_equal(s->members[0].running[3], epoch + 1);
  assert_int_equal(s->members[0].running[4], other);
  sim_free(s);
}

static void a_lost_table_is_made_anew_with_later_epochs(void **state) {
  (void)state;
  sim_t *s = sim_of(1);
  begin(s, 0, 0);
  begin(s, 1, 0);
  run_until(s, 5 * LEASE_NS);
  uint32_t epoch = s->epochs[0];
  s->table_bytes = 0;
  run_until(s, s->now_ns + LEASE_NS / 2);
  for (uint32_t p = 0; p < PARTITIONS; p++)
    assert_int_equal(s->members[0].running[p] + s->members[1].running[p], 0);
  run_until(s, s->now_ns + 2 * LEASE_NS);
  check_all_is_served(s);
  assert_true(s->epochs[0] > epoch);
  sim_free(s);
}

/* ---- shares ---- */

static tf_group_table_t table;

static void fill(uint32_t partition_cnt, uint32_t member_cnt, const uint32_t *share_max,
                 const uint32_t *held) {
  uint32_t next = 0;
  memset(&table, 0, sizeof table);
  table.head = (tf_group_head_t){.magic         = TF_GROUP_MAGIC,
                                 .version       = TF_GROUP_VERSION,
                                 .partition_cnt = partition_cnt,
                                 .member_cnt    = member_cnt,
                                 .lease_ns      = LEASE_NS};
  for (uint32_t i = 0; i < partition_cnt; i++) table.partitions[i].member = TF_GROUP_NOBODY;
  for (uint32_t i = 0; i < member_cnt; i++) {
    table.members[i] =
        (tf_group_member_t){.name = "m", .session = i + 1, .share_max = share_max[i]};
    for (uint32_t k = 0; k < held[i]; k++) table.partitions[next++].member = (uint16_t)i;
  }
}

static void shares_are_equal_but_for_bounds_and_move_little(void **state) {
  (void)state;
  static const struct {
    uint32_t partition_cnt, member_cnt, share_max[4], held[4], share[4];
  } rows[] = {
      {16,   1, {0},          {0},          {16}        },
      {16,   3, {0, 0, 0},    {8, 8, 0},    {6, 5, 5}   }, /* the odd one stays where most are */
      {16,   3, {0, 0, 0},    {0, 8, 8},    {5, 6, 5}   },
      {16,   3, {0, 0, 0},    {5, 5, 6},    {5, 5, 6}   }, /* nothing moves */
      {16,   3, {2, 0, 0},    {0, 0, 0},    {2, 7, 7}   },
      {16,   3, {2, 3, 0},    {0, 0, 0},    {2, 3, 11}  },
      {16,   3, {2, 3, 4},    {0, 0, 0},    {2, 3, 4}   }, /* seven are nobody's */
      {2,    4, {0, 0, 0, 0}, {0, 1, 0, 1}, {0, 1, 0, 1}},
      {4096, 2, {0, 0},       {4096, 0},    {2048, 2048}},
  };
  for (size_t r = 0; r < TF_ARRAY_CNT(rows); r++) {
    fill(rows[r].partition_cnt, rows[r].member_cnt, rows[r].share_max, rows[r].held);
    for (uint32_t i = 0; i < rows[r].member_cnt; i++)
      assert_int_equal(tf_group_share(&table, i), rows[r].share[i]);
  }
}

/* ---- bytes from a store ---- */

static size_t encode(uint8_t *bytes) {
  size_t member_bytes = table.head.member_cnt * sizeof table.members[0];
  memcpy(bytes, &table.head, sizeof table.head);
  memcpy(bytes + sizeof table.head, table.members, member_bytes);
  memcpy(bytes + sizeof table.head + member_bytes, table.partitions,
         table.head.partition_cnt * sizeof table.partitions[0]);
  return tf_group_table_bytes(&table);
}

static void a_table_of_another_size_or_of_nobody_is_refused(void **state) {
  (void)state;
  static tf_group_table_t read;
  static uint8_t          bytes[sizeof read + 1];
  const uint32_t          none[2] = {0, 0}, held[2] = {1, 1};
  fill(3, 2, none, held);
  size_t cnt = encode(bytes);
  assert_int_equal(tf_group_table_read(bytes, cnt, &read), TF_OK);
  assert_memory_equal(&read, &table, sizeof table);
  assert_int_equal(tf_group_table_read(bytes, cnt - 1, &read), E_GROUP_STORE);
  assert_int_equal(tf_group_table_read(bytes, cnt + 1, &read), E_GROUP_STORE);
  for (size_t n = 0; n < 64; n++)
    assert_int_equal(tf_group_table_read(bytes, n, &read), E_GROUP_STORE);
  table.partitions[0].member = 2;
  encode(bytes);
  assert_int_equal(tf_group_table_read(bytes, cnt, &read), E_GROUP_STORE);
  table.partitions[0].member = 0;
  table.members[0].session   = 0;
  encode(bytes);
  assert_int_equal(tf_group_table_read(bytes, cnt, &read), E_GROUP_STORE);
  table.members[0].session = 1;
  memset(table.members[0].name, 'x', sizeof table.members[0].name);
  encode(bytes);
  assert_int_equal(tf_group_table_read(bytes, cnt, &read), E_GROUP_STORE);
  fill(TF_GROUP_PARTITIONS_MAX, 2, none, held);
  cnt = encode(bytes);
  assert_int_equal(tf_group_table_read(bytes, cnt, &read), TF_OK);
  ((tf_group_head_t *)(void *)bytes)->partition_cnt++;
  assert_int_equal(tf_group_table_read(bytes, cnt + 8, &read), E_GROUP_STORE);
}

static void a_member_of_another_lease_is_refused(void **state) {
  (void)state;
  static uint8_t    bytes[sizeof(tf_group_table_t)];
  const uint32_t    none[1] = {0};
  tf_group_t       *g       = malloc(sizeof *g);
  tf_group_config_t config  = {
       .member = "a", .session = 9, .lease_ns = LEASE_NS + 1, .partition_cnt = 3};
  fill(3, 1, none, none);
  assert_int_equal(tf_group_init(g, &config), TF_OK);
  assert_int_equal(tf_group_was_read(g, TF_GROUP_DONE, bytes, encode(bytes), 1, 5),
                   E_CONFIG_CONFLICT);
  assert_non_null(strstr(tf_error_text(), "200000 ms"));
  config.lease_ns      = LEASE_NS;
  config.partition_cnt = 4;
  assert_int_equal(tf_group_init(g, &config), TF_OK);
  assert_int_equal(tf_group_was_read(g, TF_GROUP_DONE, bytes, encode(bytes), 1, 5),
                   E_CONFIG_CONFLICT);
  assert_int_equal(g->does, TF_GROUP_WAIT);
  free(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shares_are_equal_but_for_bounds_and_move_little),
      cmocka_unit_test(a_table_of_another_size_or_of_nobody_is_refused),
      cmocka_unit_test(a_member_of_another_lease_is_refused),
      cmocka_unit_test(an_engine_that_ended_gets_a_later_epoch),
      cmocka_unit_test(a_lost_table_is_made_anew_with_later_epochs),
      cmocka_unit_test(who_comes_or_leaves_moves_no_more_than_its_share),
      cmocka_unit_test(a_holder_that_is_cut_off_stops_before_another_begins),
      cmocka_unit_test(what_a_killed_member_had_is_served_within_two_leases),
      cmocka_unit_test(one_partition_never_has_two_holders),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
