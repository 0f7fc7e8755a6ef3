/* The order of addresses, of endpoints, and what a proxy is told. */
#include <arpa/inet.h>
#include <string.h>

#include "cmocka_tf.h"
#include "core/error.h"
#include "feed/ranker.h"
#include "feed/via.h"

static tf_address_t list[TF_RESOLVE_ADDRESSES_MAX];

/* "46": one IPv4, then one IPv6, numbered 1, 2, .. in their last byte. */
static uint32_t make(const char *families) {
  uint32_t cnt = 0;
  for (const char *f = families; *f; f++, cnt++) {
    char text[32];
    snprintf(text, sizeof text, *f == '4' ? "192.0.2.%u" : "2001:db8::%x", cnt + 1);
    assert_true(tf_address_of_text(text, &list[cnt]));
  }
  return cnt;
}

/* The list as "4:1 6:3 4:2". */
static const char *order(uint32_t cnt) {
  static char text[512];
  size_t      used = 0;
  text[0]          = '\0';
  for (uint32_t i = 0; i < cnt; i++) {
    char one[TF_ADDRESS_TEXT_MAX];
    tf_address_text(&list[i], one);
    bool        is_v6 = strchr(one, ':') != NULL;
    const char *last  = strrchr(one, is_v6 ? ':' : '.') + 1;
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%c:%ld", i ? " " : "",
                             is_v6 ? '6' : '4', strtol(last, NULL, is_v6 ? 16 : 10));
  }
  return text;
}

static const tf_address_t none;

static void families_take_turns_beginning_with_the_systems_first(void **state) {
  (void)state;
  static const struct {
    const char *given, *want;
  } rows[] = {
      {"",       ""                       },
      {"4",      "4:1"                    },
      {"6666",   "6:1 6:2 6:3 6:4"        },
      {"6644",   "6:1 4:3 6:2 4:4"        },
      {"4466",   "4:1 6:3 4:2 6:4"        },
      {"666644", "6:1 4:5 6:2 4:6 6:3 6:4"},
      {"644444", "6:1 4:2 4:3 4:4 4:5 4:6"},
      {"464646", "4:1 6:2 4:3 6:4 4:5 6:6"},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++)
    assert_string_equal(order(tf_addresses_order(list, make(rows[i].given), AF_UNSPEC, &none)),
                        rows[i].want);
}

static void what_worked_the_last_time_comes_first(void **state) {
  (void)state;
  tf_address_t good;
  uint32_t     cnt = make("6644");
  good             = list[3];
  assert_string_equal(order(tf_addresses_order(list, cnt, AF_UNSPEC, &good)), "4:4 6:1 4:3 6:2");
  make("66"); /* the answer has changed: it is not among them any more */
  assert_string_equal(order(tf_addresses_order(list, 2, AF_UNSPEC, &good)), "6:1 6:2");
}

static void a_source_address_leaves_its_own_family(void **state) {
  (void)state;
  assert_string_equal(order(tf_addresses_order(list, make("6644"), AF_INET, &none)), "4:3 4:4");
  assert_string_equal(order(tf_addresses_order(list, make("6644"), AF_INET6, &none)), "6:1 6:2");
  assert_int_equal(tf_addresses_order(list, make("66"), AF_INET, &none), 0);
}

static void sixty_four_addresses_leave_sixteen_of_both_families(void **state) {
  (void)state;
  char families[TF_RESOLVE_ADDRESSES_MAX + 1];
  for (uint32_t cnt = TF_ADDRESSES_MAX - 1; cnt <= TF_ADDRESSES_MAX + 1; cnt++) {
    memset(families, '4', cnt);
    families[cnt] = '\0';
    assert_int_equal(tf_addresses_order(list, make(families), AF_UNSPEC, &none),
                     cnt < TF_ADDRESSES_MAX ? cnt : TF_ADDRESSES_MAX);
  }
  memset(families, '4', TF_RESOLVE_ADDRESSES_MAX);
  families[TF_RESOLVE_ADDRESSES_MAX - 1] = '6';
  families[TF_RESOLVE_ADDRESSES_MAX]     = '\0';
  assert_int_equal(tf_addresses_order(list, make(families), AF_UNSPEC, &none), TF_ADDRESSES_MAX);
  assert_string_equal(order(3), "4:1 6:64 4:2");
}

static void texts_that_are_no_address_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"", "eth0", "1.2.3", "1.2.3.4.5", "::g", "[::1]", "1.2.3.4:5"};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) assert_false(tf_address_of_text(bad[i], &list[0]));
}

/* ---- credentials ---- */

static void credentials_are_the_rfcs_own_example(void **state) {
  (void)state;
  tf_via_t      via = {0};
  tf_feed_key_t key = {.id = "Aladdin", .secret = "open sesame"}; /* RFC 7617, 2 */
  assert_int_equal(tf_via_authorize(&via, &key), TF_OK);
  assert_string_equal(via.proxy_authorization, "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  static const char *const texts[][2] = {
      {"a",   "YTo="    },
      {"ab",  "YWI6"    },
      {"",    "Og=="    },
      {"xyz", "eHl6Og=="}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(texts); i++) {
    tf_feed_key_t one = {0};
    snprintf(one.id, sizeof one.id, "%s", texts[i][0]);
    assert_int_equal(tf_via_authorize(&via, &one), TF_OK);
    assert_string_equal(via.proxy_authorization, texts[i][1]);
  }
}

static void longest_credentials_fit_and_a_colon_in_the_user_is_refused(void **state) {
  (void)state;
  static tf_via_t      via;
  static tf_feed_key_t key;
  memset(key.id, 'u', sizeof key.id - 1);
  memset(key.secret, 'p', sizeof key.secret - 1);
  assert_int_equal(tf_via_authorize(&via, &key), TF_OK);
  assert_true(strlen(via.proxy_authorization) < sizeof via.proxy_authorization);
  assert_int_equal(strlen(via.proxy_authorization) % 4, 0);
  key.id[3] = ':';
  assert_int_equal(tf_via_authorize(&via, &key), E_FEED_KEY);
}

/* ---- endpoints ---- */

static void one_that_failed_goes_to_the_back(void **state) {
  (void)state;
  tf_ranking_t r;
  tf_ranking_init(&r, 3);
  assert_int_equal(tf_ranking_at(&r, 0), 0);
  tf_ranking_demote(&r, 0);
  tf_ranking_demote(&r, 0); /* twice is once */
  assert_int_equal(tf_ranking_at(&r, 0), 1);
  assert_int_equal(tf_ranking_at(&r, 2), 0);
  tf_ranking_demote(&r, 1);
  tf_ranking_demote(&r, 2);
  assert_int_equal(tf_ranking_at(&r, 0), 0);
  tf_ranking_demote(&r, 7); /* none of them */
  assert_int_equal(tf_ranking_at(&r, 0), 0);
  tf_ranking_order_t order = tf_ranking_read(&r);
  assert_memory_equal(order.best_first, ((uint8_t[]){0, 1, 2}), 3);
  assert_true(order.has_failed[0] && order.has_failed[1] && order.has_failed[2]);
  assert_true(tf_ranking_replace(&r, &order, (const uint8_t[]){2, 0, 1}));
  assert_int_equal(tf_ranking_at(&r, 0), 2);
  assert_int_equal(tf_ranking_at(&r, 1), 0);
  order = tf_ranking_read(&r);
  assert_false(order.has_failed[0] || order.has_failed[1] || order.has_failed[2]);
  tf_ranking_demote(&r, 2); /* meanwhile */
  assert_false(tf_ranking_replace(&r, &order, (const uint8_t[]){2, 1, 0}));
  assert_int_equal(tf_ranking_at(&r, 0), 0);
  order = tf_ranking_read(&r);
  assert_true(order.has_failed[2] && !order.has_failed[0]);
  tf_ranking_init(&r, TF_ENDPOINTS_MAX);
  for (uint32_t i = 0; i < TF_ENDPOINTS_MAX; i++) {
    assert_int_equal(tf_ranking_at(&r, 0), i);
    tf_ranking_demote(&r, i);
  }
  assert_int_equal(tf_ranking_at(&r, 0), 0);
}

#define MS TF_NS_PER_MS

static tf_ranker_row_t    rows[TF_ENDPOINTS_MAX];
static uint8_t            best[TF_ENDPOINTS_MAX];
static tf_ranking_order_t before;

/* So many rows, by their pings; 0: it cannot be reached. Before: in the order of their numbers. */
static void rank(uint32_t cnt, const uint64_t *pings_ns) {
  for (uint32_t i = 0; i < cnt; i++) {
    before.best_first[i] = (uint8_t)i;
    before.has_failed[i] = false;
    rows[i]              = (tf_ranker_row_t){.err      = pings_ns[i] ? TF_OK : E_FEED_CONNECT,
                                             .pong_cnt = pings_ns[i] > 0,
                                             .ping_ns  = pings_ns[i]};
  }
}

static void the_shortest_way_is_first_and_what_cannot_be_reached_last(void **state) {
  (void)state;
  rank(4, (uint64_t[]){30 * MS, 0, 10 * MS, 20 * MS});
  tf_ranker_order(rows, 4, &before, best);
  assert_memory_equal(best, ((uint8_t[]){2, 3, 0, 1}), 4);
  rows[2].pong_cnt = 0; /* answers no ping: its upgrade is compared with the others' */
  for (int i = 0; i < 4; i++) rows[i].phase_ns[TF_DIAL_UPGRADE] = 40 * MS;
  rows[2].phase_ns[TF_DIAL_UPGRADE] = 30 * MS;
  tf_ranker_order(rows, 4, &before, best);
  assert_int_equal(best[0], 2);
  rows[2].phase_ns[TF_DIAL_UPGRADE] = 45 * MS;
  tf_ranker_order(rows, 4, &before, best);
  assert_memory_equal(best, ((uint8_t[]){0, 2, 3, 1}), 4); /* 3 is not enough quicker than 2 */
}

static void an_eighth_and_200_us_are_wanted_of_one_that_passes(void **state) {
  (void)state;
  const uint64_t ping_ns = 8 * MS, enough_ns = ping_ns + ping_ns / 8 + 200 * TF_NS_PER_US;
  rank(2, (uint64_t[]){enough_ns, ping_ns});
  tf_ranker_order(rows, 2, &before, best);
  assert_int_equal(best[0], 0);
  rows[0].ping_ns++;
  tf_ranker_order(rows, 2, &before, best);
  assert_int_equal(best[0], 1);
}

static void one_that_failed_has_to_be_measured_once_more(void **state) {
  (void)state;
  rank(3, (uint64_t[]){20 * MS, 30 * MS, 5 * MS});
  before.has_failed[2] = true;
  tf_ranker_order(rows, 3, &before, best);
  assert_memory_equal(best, ((uint8_t[]){0, 1, 2}), 3);
  before.has_failed[2] = false; /* as tf_ranking_replace leaves it */
  tf_ranker_order(rows, 3, &before, best);
  assert_memory_equal(best, ((uint8_t[]){2, 0, 1}), 3);
  before.has_failed[2] = true; /* better than one that cannot be reached it is all the same */
  rows[0].err = rows[1].err = E_FEED_CONNECT;
  tf_ranker_order(rows, 3, &before, best);
  assert_memory_equal(best, ((uint8_t[]){2, 0, 1}), 3);
}

/* Round trips that waver by a tenth for a thousand measurements: the order that was found first stays. */
static void an_order_does_not_flap_over_noise(void **state) {
  (void)state;
  uint64_t           changes = 0, seed = 1;
  tf_ranking_order_t now = {
      .best_first = {0, 1, 2, 3}
  };
  const uint64_t pings[] = {20600 * TF_NS_PER_US, 20 * MS, 20300 * TF_NS_PER_US, 5 * MS};
  for (uint32_t round = 0; round < 1000; round++) {
    rank(4, pings);
    for (uint32_t i = 0; i < 4; i++) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      rows[i].ping_ns += rows[i].ping_ns / 10 * (seed >> 33) >> 31;
    }
    tf_ranker_order(rows, 4, &now, best);
    changes += memcmp(now.best_first, best, 4) != 0;
    memcpy(now.best_first, best, 4);
  }
  assert_memory_equal(best, ((uint8_t[]){3, 0, 1, 2}), 4);
  assert_int_equal(changes, 1); /* the near one went to the front */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(families_take_turns_beginning_with_the_systems_first),
      cmocka_unit_test(what_worked_the_last_time_comes_first),
      cmocka_unit_test(a_source_address_leaves_its_own_family),
      cmocka_unit_test(sixty_four_addresses_leave_sixteen_of_both_families),
      cmocka_unit_test(texts_that_are_no_address_are_refused),
      cmocka_unit_test(credentials_are_the_rfcs_own_example),
      cmocka_unit_test(longest_credentials_fit_and_a_colon_in_the_user_is_refused),
      cmocka_unit_test(one_that_failed_goes_to_the_back),
      cmocka_unit_test(the_shortest_way_is_first_and_what_cannot_be_reached_last),
      cmocka_unit_test(an_eighth_and_200_us_are_wanted_of_one_that_passes),
      cmocka_unit_test(one_that_failed_has_to_be_measured_once_more),
      cmocka_unit_test(an_order_does_not_flap_over_noise),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
