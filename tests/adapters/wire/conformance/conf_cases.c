#include <stdio.h>
#include <string.h>

#include "conf_case.h"
#include "tf/base.h"

#define CASES_MAX 1200
#define KIB       ((size_t)1 << 10)
#define MIB       ((size_t)1 << 20)

static conf_case_t table[CASES_MAX];
static size_t      table_cnt;
static char        scripts[CASES_MAX][160]; /* of rows made by rule */

static conf_case_t *add(const char *id, const char *what) {
  TF_ASSERT(table_cnt < CASES_MAX);
  conf_case_t *c = &table[table_cnt++];
  *c             = (conf_case_t){.what = what, .sent = "", .ok = "", .close_code = 1000};
  snprintf(c->id, sizeof c->id, "%s", id);
  return c;
}

static void add_case(const char *id, const char *what, const char *sent, const char *ok,
                     const char *loose, uint32_t chop, conf_end_t end, uint16_t close_code) {
  conf_case_t *c = add(id, what);
  c->sent        = sent;
  c->ok          = ok;
  c->loose       = loose;
  c->chop        = chop;
  c->end         = end;
  c->close_code  = close_code;
}

static void add_info(const char *id, const char *what, const char *sent, const char *ok,
                     conf_end_t end, uint16_t close_code) {
  add_case(id, what, sent, ok, NULL, CONF_WHOLE, end, close_code);
  table[table_cnt - 1].informational = true;
}

static void add_utf8(const char *id, bool valid, const char *hex) {
  char *script = scripts[table_cnt];
  TF_ASSERT((size_t)snprintf(script, sizeof scripts[0], "T:#%s", hex) < sizeof scripts[0]);
  add_case(id, valid ? "UTF-8" : "not UTF-8", script, valid ? script : "", NULL, CONF_WHOLE,
           valid ? CONF_CLEAN : CONF_FAIL, valid ? 1000 : 1007);
}

static conf_case_t *add_bulk(const char *group, unsigned number, const char *what, char letter,
                             uint32_t count, size_t bytes, size_t fragment) {
  char id[16];
  snprintf(id, sizeof id, "%s.%u", group, number);
  conf_case_t *c = add(id, what);
  c->bulk = (conf_bulk_t){.letter = letter, .count = count, .bytes = bytes, .fragment = fragment};
  return c;
}

/* 9: limits and performance. */
static void add_sizes(void) {
  static const size_t sizes[]  = {64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB};
  static const size_t pieces[] = {64,       256,       KIB, 4 * KIB, 16 * KIB,
                                  64 * KIB, 256 * KIB, MIB, 4 * MIB};
  static const size_t chops[]  = {64, 128, 256, 512, KIB, 2 * KIB};
  static const size_t trips[]  = {0, 16, 64, 256, KIB, 4 * KIB};
  for (unsigned i = 0; i < 12; i++)
    add_bulk(i < 6 ? "9.1" : "9.2", i % 6 + 1, "one large message", i < 6 ? 'T' : 'B', 1,
             sizes[i % 6], 0);
  for (unsigned i = 0; i < 18; i++)
    add_bulk(i < 9 ? "9.3" : "9.4", i % 9 + 1, "4 MiB in fragments", i < 9 ? 'T' : 'B', 1, 4 * MIB,
             pieces[i % 9]);
  for (unsigned i = 0; i < 12; i++)
    add_bulk(i < 6 ? "9.5" : "9.6", i % 6 + 1, "1 MiB in chops", i < 6 ? 'T' : 'B', 1, MIB, 0)
        ->chop = (uint32_t)chops[i % 6];
  for (unsigned i = 0; i < 12; i++)
    add_bulk(i < 6 ? "9.7" : "9.8", i % 6 + 1, "1000 round trips", i < 6 ? 'T' : 'B', 1000,
             trips[i % 6], 0);
}

/* 12: five sets of data in 18 forms; 13: one of them under seven sets of parameters. */
static void add_deflate(void) {
  /* clang-format off */
  static const struct {
    size_t bytes, fragment;
  } forms[] = {
      {16, 0},          {64, 0},          {256, 0},         {KIB, 0},         {4 * KIB, 0},
      {8 * KIB, 0},     {16 * KIB, 0},    {32 * KIB, 0},    {64 * KIB, 0},    {128 * KIB, 0},
      {8 * KIB, 256},   {16 * KIB, 256},  {32 * KIB, 256},  {64 * KIB, 256},  {128 * KIB, 256},
      {128 * KIB, KIB}, {128 * KIB, 4 * KIB}, {128 * KIB, 32 * KIB},
  };
  static const conf_deflate_t offers[] = {
      {.on = true},
      {.on = true, .no_context_takeover = true},
      {.on = true, .window_bits = 9},
      {.on = true, .window_bits = 15},
      {.on = true, .no_context_takeover = true, .window_bits = 9},
      {.on = true, .no_context_takeover = true, .window_bits = 15},
      {.on = true, .no_context_takeover = true, .window_bits = 9, .fallback = true},
  };
  /* clang-format on */
  char group[16];
  for (unsigned set = 0; set < 5 + 7; set++) {
    snprintf(group, sizeof group, "%u.%u", set < 5 ? 12u : 13u, set < 5 ? set + 1 : set - 4);
    for (unsigned i = 0; i < TF_ARRAY_CNT(forms); i++) {
      const unsigned data_set = set < 5 ? set : 0;
      conf_case_t *c = add_bulk(group, i + 1, "1000 compressed messages", data_set == 1 ? 'B' : 'T',
                                1000, forms[i].bytes, forms[i].fragment);
      if (data_set == 4) c->bulk.letter = 'B';
      c->bulk.data_set = (uint8_t)data_set;
      c->deflate       = offers[set < 5 ? 0 : set - 5];
    }
  }
}

#define CASE(...) add_case(__VA_ARGS__);
#define INFO(...) add_info(__VA_ARGS__);
#define UTF8(...) add_utf8(__VA_ARGS__);

static void add_autobahn(void) {
#include "conf_autobahn.def"
  add_sizes();
  add_bulk("10.1", 1, "65536 bytes in fragments of 1300", 'T', 1, 64 * KIB, 1300);
  add_deflate();
}

/* A good answer and a good request, but for the blank line. */
#define ANSWER                                                                                     \
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"              \
  "Sec-WebSocket-Accept: %A\r\n"
#define REQUEST                                                                                    \
  "GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"         \
  "Sec-WebSocket-Key: %K\r\nSec-WebSocket-Version: 13\r\n"
#define DEFLATE                                                                                    \
  { .on = true }
#define DEFLATE_FORGETS                                                                            \
  { .on = true, .no_context_takeover = true }

/* What a row leaves out: no script, and an end by 1000. */
#define OURS(id_, what_, ...)                                                                      \
  {                                                                                                \
    conf_case_t *c  = add(id_, what_);                                                             \
    conf_case_t  as = {.what = c->what, __VA_ARGS__};                                              \
    memcpy(as.id, c->id, sizeof as.id);                                                            \
    if (!as.sent) as.sent = "";                                                                    \
    if (!as.ok) as.ok = "";                                                                        \
    if (!as.close_code) as.close_code = 1000;                                                      \
    *c = as;                                                                                       \
  }

static void add_ours(void){
#include "conf_ours.def"
}

size_t conf_cases(const conf_case_t **cases) {
  if (table_cnt == 0) {
    add_autobahn();
    add_ours();
  }
  *cases = table;
  return table_cnt;
}

const char *conf_group(const conf_case_t *c, char group[8]) {
  snprintf(group, 8, "%.*s", (int)strcspn(c->id, "."), c->id);
  return group;
}

/* What resembles a feed, a picture, prose, a page of markup, and an archive: text but for the
 * picture and the archive, so that any cut of it is UTF-8. */
static uint8_t data_at(unsigned set, size_t at) {
  static const char feed[] =
      "{\"e\":\"depthUpdate\",\"E\":1700000000123,\"s\":\"BTCUSDT\",\"b\":[[\"64000."
      "10\",\"0.41200000\"],[\"63999.90\",\"1.00000000\"]]},";
  static const char prose[] =
      "It was a bright cold day in the market, and the clocks were striking "
      "thirteen nanoseconds past the hour of the auction. ";
  static const char page[] = "<tr class=\"row\"><td>price</td><td align=\"right\">1.0</td></tr>\n";
  const uint64_t    noise  = (at / 97 + 1) * 0x9E3779B97F4A7C15u >> 40;
  switch (set) {
  case 0: return (uint8_t)(at % 31 == 7 ? '0' + noise % 10 : (uint8_t)feed[at % (sizeof feed - 1)]);
  case 1: return (uint8_t)((at % 512) / 2 + (at / 512) / 3 + noise % 3);
  case 2:
    return (uint8_t)(at % 53 == 5 ? 'a' + noise % 26 : (uint8_t)prose[at % (sizeof prose - 1)]);
  case 3: return (uint8_t)(at % 71 == 1 ? '0' + noise % 10 : (uint8_t)page[at % (sizeof page - 1)]);
  default: return (uint8_t)((at + 1) * 0x9E3779B97F4A7C15u >> 56);
  }
}

void conf_fill(const conf_bulk_t *bulk, uint32_t message_idx, uint8_t *bytes) {
  const size_t from = message_idx * bulk->bytes % (1 << 20);
  for (size_t i = 0; i < bulk->bytes; i++) bytes[i] = data_at(bulk->data_set, from + i);
}
