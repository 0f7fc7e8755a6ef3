#include "conf_judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tf/base.h"

#define EVENTS_MAX  64
#define ROUND_MS    20 /* one look at a socket */
#define MESSAGE_MAX ((size_t)16 << 20)

const char *conf_verdict_name(conf_verdict_t verdict) {
  static const char *const names[] = {"OK", "NON-STRICT", "INFORMATIONAL", "FAILED"};
  return names[verdict];
}

/* Events so far that are no close. */
static size_t event_cnt(const conf_side_t *s) {
  size_t cnt = 0;
  for (size_t i = 0; i < s->event_cnt; i++) cnt += s->events[i].letter != 'X';
  return cnt;
}

static const conf_event_t *close_event(const conf_side_t *s) {
  for (size_t i = 0; i < s->event_cnt; i++) {
    if (s->events[i].letter == 'X') return &s->events[i];
  }
  return NULL;
}

static bool over(const conf_side_t *s) { return s->ended || s->fault || close_event(s); }

/* Until so many events are there, the end has come, or the time is up. */
static void await(conf_side_t *s, size_t cnt, int wait_ms) {
  int left = wait_ms;
  conf_side_receive(s, 0);
  while (left > 0 && !over(s) && event_cnt(s) < cnt) {
    conf_side_receive(s, ROUND_MS);
    left -= ROUND_MS;
  }
}

typedef struct player {
  conf_side_t *side;
  int          wait_ms;
  size_t       expected_cnt;
  bool         late; /* not failed where it should have been */
} player_t;

static void send_chopped(player_t *p, const conf_bytes_t *bytes, uint32_t chop) {
  const size_t most = chop == CONF_WHOLE || chop == CONF_BY_FRAME ? bytes->cnt : chop;
  for (size_t at = 0; at < bytes->cnt;) {
    const size_t n = bytes->cnt - at < most ? bytes->cnt - at : most;
    conf_side_send(p->side, bytes->bytes + at, n);
    at += n;
  }
}

/* The endpoint has seen all this; if it should be gone by now, is it? */
static void sync_point(player_t *p, bool must_be_over) {
  await(p->side, must_be_over ? SIZE_MAX : p->expected_cnt, p->wait_ms / 4);
  if (must_be_over && !over(p->side)) p->late = true;
}

/* A frame with marks in its payload goes out in the pieces between them. */
static void send_marked(player_t *p, const char *token, size_t cnt, conf_bytes_t *out) {
  const char  *hash = memchr(token, '#', cnt);
  size_t       sent = 0, digits = 0;
  conf_bytes_t frame = {0};
  conf_side_send(p->side, out->bytes, out->cnt);
  out->cnt = 0;
  conf_side_frame(p->side, token, cnt, &frame);
  size_t payload_cnt = 0;
  for (const char *q = hash + 1; q < token + cnt; q++) payload_cnt += *q != '|' && *q != '!';
  const size_t head = frame.cnt - payload_cnt / 2;
  for (const char *q = hash + 1; q < token + cnt; q++) {
    if (*q != '|' && *q != '!') {
      digits++;
      continue;
    }
    const size_t to = head + digits / 2;
    conf_side_send(p->side, frame.bytes + sent, to - sent);
    sent = to;
    sync_point(p, *q == '!');
  }
  conf_side_send(p->side, frame.bytes + sent, frame.cnt - sent);
  free(frame.bytes);
}

static bool has_marks(const char *token, size_t cnt) {
  const char *hash = memchr(token, '#', cnt);
  return hash && (memchr(hash, '|', cnt - (size_t)(hash - token)) ||
                  memchr(hash, '!', cnt - (size_t)(hash - token)));
}

static void play_script(player_t *p, const conf_case_t *c) {
  conf_bytes_t out = {0};
  for (const char *token = c->sent; *token;) {
    const size_t cnt = strcspn(token, " ");
    if (cnt == 1 && (*token == '|' || *token == '!')) {
      send_chopped(p, &out, c->chop);
      out.cnt = 0;
      sync_point(p, *token == '!');
    } else if (cnt && has_marks(token, cnt)) {
      send_marked(p, token, cnt, &out);
    } else if (cnt) {
      conf_side_frame(p->side, token, cnt, &out);
      if (c->chop == CONF_BY_FRAME) {
        send_chopped(p, &out, c->chop);
        out.cnt = 0;
      }
    }
    token += cnt + (token[cnt] == ' ');
  }
  send_chopped(p, &out, c->chop);
  free(out.bytes);
}

static uint32_t bulk_count(const conf_bulk_t *bulk, uint32_t messages_max) {
  return bulk->count < messages_max ? bulk->count : messages_max;
}

/* Each message's echo is compared when it is there. */
static bool play_bulk(player_t *p, const conf_case_t *c, uint32_t count, char why[256]) {
  static uint8_t bytes[MESSAGE_MAX];
  conf_bytes_t   out = {0};
  bool           ok  = true;
  for (uint32_t m = 0; m < count && ok; m++) {
    conf_fill(&c->bulk, m, bytes);
    out.cnt = 0;
    conf_side_message(p->side, &c->bulk, bytes, &out);
    send_chopped(p, &out, c->chop);
    await(p->side, m + 1, p->wait_ms);
    const conf_event_t *e = &p->side->events[m];
    ok = p->side->event_cnt == m + 1 && e->letter == c->bulk.letter && e->cnt == c->bulk.bytes &&
         e->hash == conf_hash(bytes, c->bulk.bytes);
    if (!ok) snprintf(why, 256, "message %u of %u did not come back", m + 1, count);
  }
  free(out.bytes);
  return ok;
}

static bool same(const conf_side_t *s, const char *script) {
  conf_event_t expected[EVENTS_MAX];
  const size_t cnt = conf_script_events(script, expected, EVENTS_MAX);
  size_t       at  = 0;
  for (size_t i = 0; i < s->event_cnt; i++) {
    const conf_event_t *e = &s->events[i];
    if (e->letter == 'X') continue;
    if (at == cnt || e->letter != expected[at].letter || e->cnt != expected[at].cnt ||
        e->hash != expected[at].hash)
      return false;
    at++;
  }
  return at == cnt;
}

static void seen(const conf_side_t *s, char *text, size_t cap) {
  size_t at = (size_t)snprintf(text, cap, "saw");
  for (size_t i = 0; i < s->event_cnt && at + 32 < cap; i++) {
    const conf_event_t *e = &s->events[i];
    if (e->letter == 'X')
      at += (size_t)snprintf(text + at, cap - at, " X:=%u", e->code);
    else
      at += (size_t)snprintf(text + at, cap - at, " %c:*%zu", e->letter, e->cnt);
  }
  snprintf(text + at, cap - at, "%s%s%s", s->ended ? ", end" : "", s->fault ? ", fault: " : "",
           s->fault ? s->fault : "");
}

static bool ended_well(const conf_side_t *s, const conf_case_t *c) {
  const conf_event_t *e = close_event(s);
  switch (c->end) {
  case CONF_FAIL: return e ? e->code == c->close_code : s->ended;
  case CONF_EOF: return true;
  default: return e && e->code == c->close_code;
  }
}

conf_verdict_t conf_play(conf_side_t *s, const conf_case_t *c, uint32_t messages_max, int wait_ms,
                         char why[256]) {
  conf_event_t expected[EVENTS_MAX];
  player_t     p  = {.side         = s,
                     .wait_ms      = wait_ms,
                     .expected_cnt = conf_script_events(c->ok, expected, EVENTS_MAX)};
  bool         ok = true;
  if (c->bulk.letter)
    ok = play_bulk(&p, c, bulk_count(&c->bulk, messages_max), why);
  else
    play_script(&p, c);
  await(s, c->end == CONF_CLEAN ? p.expected_cnt : SIZE_MAX, wait_ms);
  if (c->end == CONF_CLEAN && !over(s)) {
    conf_bytes_t out = {0};
    /* Where nothing is to come back, this is how that is seen. */
    conf_side_frame(s, "X:=1000", 7, &out);
    conf_side_send(s, out.bytes, out.cnt);
    free(out.bytes);
    await(s, SIZE_MAX, wait_ms);
  }
  if (!c->bulk.letter) ok = same(s, c->ok);
  if (!why[0]) seen(s, why, 256);
  if (c->informational && !s->fault) return CONF_INFORMATIONAL;
  if (s->fault || !ended_well(s, c)) return CONF_FAILED;
  if (ok && !p.late) return CONF_OK;
  if (ok || (c->loose && same(s, c->loose))) return CONF_NON_STRICT;
  return CONF_FAILED;
}

conf_verdict_t conf_judge_handshake(const conf_case_t *c, bool upgraded, const char *refusal,
                                    char why[256]) {
  snprintf(why, 256, "%s %s", upgraded ? "upgraded" : "not upgraded", refusal ? refusal : "");
  if (!c->refusal) return upgraded ? CONF_OK : CONF_FAILED;
  return !upgraded && refusal && strstr(refusal, c->refusal) ? CONF_OK : CONF_FAILED;
}

conf_verdict_t conf_judge_fault(const conf_case_t *c, const char *fault, conf_verdict_t verdict,
                                char why[256]) {
  if (!c->refusal || strcmp(c->refusal, fault) == 0) return verdict;
  snprintf(why, 256, "the endpoint saw %s, not %s", fault, c->refusal);
  return CONF_FAILED;
}

void conf_count(conf_summary_t *rows, const conf_case_t *c, conf_verdict_t verdict) {
  char     group[8];
  unsigned i = 0;
  conf_group(c, group);
  while (i < rows->group_cnt && strcmp(rows->groups[i], group) != 0) i++;
  TF_ASSERT(i < CONF_GROUPS_MAX);
  if (i == rows->group_cnt) strcpy(rows->groups[rows->group_cnt++], group);
  rows->cases[i]++;
  rows->verdicts[i][verdict]++;
}

unsigned conf_print(const conf_summary_t *rows, const char *what) {
  unsigned cases = 0, ours = 0, sum[CONF_FAILED + 1] = {0};
  printf("%s\ngroup   cases     ok  non-strict  informational  failed\n", what);
  for (unsigned i = 0; i <= rows->group_cnt; i++) {
    const bool      last = i == rows->group_cnt;
    const unsigned *v    = last ? sum : rows->verdicts[i];
    printf("%-5s %7u %6u %11u %14u %7u\n", last ? "sum" : rows->groups[i],
           last ? cases : rows->cases[i], v[CONF_OK], v[CONF_NON_STRICT], v[CONF_INFORMATIONAL],
           v[CONF_FAILED]);
    for (int j = 0; !last && j <= CONF_FAILED; j++) sum[j] += v[j];
    if (!last) cases += rows->cases[i];
    if (!last && rows->groups[i][0] == 'w') ours += rows->cases[i];
  }
  printf("%u of the Autobahn suite, %u of our own\n", cases - ours, ours);
  fflush(stdout);
  return sum[CONF_FAILED];
}
