#include "doctor_ends.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "boot/snapshot.h"
#include "core/error.h"
#include "core/listener.h"
#include "live_intakes.h"
#include "registry.h"
#include "snapshot_file.h"
#include "tf/sink.h"

#define WAIT_NS (5 * TF_NS_PER_SEC)

typedef struct end {
  char     id[48];
  char     place[24]; /* "feeds[0]", as a config's errors have it */
  bool     is_source;
  uint32_t idx; /* of the config's feeds or sinks */

  tf_broker_look_t     look; /* NULL: a listener */
  tf_broker_config_t   reach;
  const char          *url_key; /* what its address is called */
  int32_t              partition;
  tf_broker_standing_t standing;

  char     host[TF_LISTENER_HOST_BYTES];
  uint16_t port;

  uint64_t  position; /* of a source in the snapshot; 0: it begins anew */
  tf_err_t  err;
  char      text[TF_ERROR_TEXT_BYTES]; /* of err */
  pthread_t thread;
  bool      has_thread;
} end_t;

/* ---- dialing ---- */

static void try_address(const end_t *e, tf_err_t *err) {
  const tf_listener_use_t use = {.code = E_HTTP_LISTEN, .what = e->place, .backlog = 1};
  tf_listener_t           listener;
  *err = tf_listener_tcp(&listener, &use, e->host, e->port);
  if (!*err) tf_listener_close(&listener);
}

static void *dial(void *self) {
  end_t *e = self;
  if (e->look)
    e->err = e->look(&e->reach, e->partition, WAIT_NS, &e->standing);
  else
    try_address(e, &e->err);
  snprintf(e->text, sizeof e->text, "%s", e->err ? tf_error_text() : "");
  return NULL;
}

static void dial_all(end_t *ends, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++)
    ends[i].has_thread = pthread_create(&ends[i].thread, NULL, dial, &ends[i]) == 0;
  for (uint32_t i = 0; i < cnt; i++)
    if (ends[i].has_thread)
      pthread_join(ends[i].thread, NULL);
    else
      dial(&ends[i]);
}

/* ---- what there is to dial ---- */

static end_t *add(end_t *ends, uint32_t *cnt, bool is_source, uint32_t idx, const char *name) {
  end_t *e = &ends[(*cnt)++];
  TF_ASSERT(*cnt <= DOCTOR_ENDS_MAX);
  *e = (end_t){.is_source = is_source, .idx = idx, .partition = -1};
  snprintf(e->id, sizeof e->id, "%s.%.31s", is_source ? "source" : "sink", name);
  snprintf(e->place, sizeof e->place, "%s[%u]", is_source ? "feeds" : "sinks", idx);
  return e;
}

static void add_feed(const tf_config_t *config, uint32_t i, end_t *ends, uint32_t *cnt) {
  const tf_config_feed_t *f = &config->feeds[i];
  const tf_intake_t      *intake;
  tf_broker_config_t      reach;
  if (strcmp(f->venue, "events") != 0) return;
  if (tf_live_intakes_reach(f, &intake, &reach)) {
    end_t *e   = add(ends, cnt, true, i, f->name);
    e->look    = intake->look;
    e->reach   = reach;
    e->url_key = "broker";
    if (f->partition_cnt) e->partition = (int32_t)f->partition;
  } else if (f->listen.host && f->listen.port) {
    end_t *e = add(ends, cnt, true, i, f->name);
    snprintf(e->host, sizeof e->host, "%s", f->listen.host);
    e->port = f->listen.port;
  }
}

static const tf_sink_t *sink_type(const char *type) {
  const tf_registry_t *r = tickfuse_registry();
  for (uint32_t i = 0; i < r->sink_cnt; i++)
    if (!strcmp(r->sinks[i]->name, type)) return r->sinks[i];
  return NULL;
}

/* The port of a listener that anybody may have; 0: it is none, or takes any. */
static uint16_t port_of(const tf_config_sink_t *s, char host[TF_LISTENER_HOST_BYTES]) {
  static const char *const schemes[] = {"tcp", "tls", "ws", "wss"};
  const tf_listener_use_t  use       = {.code = E_HTTP_LISTEN, .what = "url"};
  const char              *path;
  uint16_t                 port  = 0;
  size_t                   chars = s->url ? strcspn(s->url, ":") : 0;
  for (size_t i = 0; i < TF_ARRAY_CNT(schemes); i++)
    if (chars == strlen(schemes[i]) && !strncmp(s->url, schemes[i], chars) &&
        !tf_listener_url(&use, s->url, schemes[i], host, &port, &path))
      return port;
  return 0;
}

static void add_sink(const tf_config_t *config, uint32_t i, end_t *ends, uint32_t *cnt) {
  const tf_config_sink_t *s    = &config->sinks[i];
  const tf_sink_t        *sink = sink_type(s->type);
  const char             *name = s->name ? s->name : s->type;
  char                    host[TF_LISTENER_HOST_BYTES];
  uint16_t                port = sink && !sink->look ? port_of(s, host) : 0;
  if (port) {
    end_t *e = add(ends, cnt, false, i, name);
    snprintf(e->host, sizeof e->host, "%s", host);
    e->port = port;
  } else if (sink && sink->look && s->url) {
    end_t *e      = add(ends, cnt, false, i, name);
    e->look       = sink->look;
    e->reach      = TF_BROKER_OF(s);
    e->reach.name = name;
    e->url_key    = "url";
  }
}

/* Where the sources would go on, if the config's snapshot is restored exactly. */
static void find_positions(const tf_config_t *config, end_t *ends, uint32_t cnt) {
  const tf_snapshot_store_t files = tickfuse_snapshot_files();
  void                     *bytes = NULL;
  size_t                    bytes_cnt;
  if (!config->engine.snapshot || config->engine.snapshot_restore != TF_CONFIG_RESTORE_EXACT ||
      config->group.name || files.get(files.self, config->engine.snapshot, 0, &bytes, &bytes_cnt))
    return;
  for (uint32_t i = 0; i < cnt; i++)
    if (ends[i].is_source)
      ends[i].position =
          tf_snapshot_find_position(bytes, bytes_cnt, config->feeds[ends[i].idx].name);
  free(bytes);
}

/* ---- judging ---- */

static TF_PRINTF(4, 0) void say(doctor_finding_t *f, doctor_grade_t grade, const char *says,
                                const char *fmt, va_list args) {
  char remedy[sizeof f->remedy];
  vsnprintf(remedy, sizeof remedy, fmt, args);
  doctor_say(f, grade, says, remedy);
}

static TF_PRINTF(3, 4) void bad(doctor_finding_t *f, const char *says, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  say(f, DOCTOR_BAD, says, fmt, args);
  va_end(args);
}

static TF_PRINTF(3, 4) void warn(doctor_finding_t *f, const char *says, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  say(f, DOCTOR_WARN, says, fmt, args);
  va_end(args);
}

static void judge_failure(const end_t *e, doctor_finding_t *f) {
  static const char *const what[] = {[TF_BROKER_REACH]  = "not reached",
                                     [TF_BROKER_TLS]    = "no TLS with it",
                                     [TF_BROKER_LOGIN]  = "the account is refused",
                                     [TF_BROKER_STREAM] = "reached; no word on the stream",
                                     [TF_BROKER_DONE]   = ""};
  doctor_value(f, "%s", what[e->standing.step]);
  switch (e->standing.step) {
  case TF_BROKER_TLS:
    bad(f, e->text,
        "%s.ca_file: who signed its certificate, which has the name in %s; cert_file and "
        "tls_key_file if it asks for ours",
        e->place, e->url_key);
    return;
  case TF_BROKER_LOGIN:
    bad(f, e->text,
        "%s.user, password_file, token_file: as the broker knows the account; files of "
        "mode 0600, yours",
        e->place);
    return;
  case TF_BROKER_STREAM:
    bad(f, e->text,
        "is %s.stream a stream, has it a leader (NATS: is JetStream on), and may the account ask?",
        e->place);
    return;
  default:
    bad(f, e->text, "%s.%s: is that its address, is it up, and does a firewall let us through?",
        e->place, e->url_key);
  }
}

static void judge_address(const end_t *e, doctor_finding_t *f) {
  doctor_value(f, "%s port %u", e->host, e->port);
  if (e->err)
    warn(f, e->text, "none where this engine runs already; else another address for %s", e->place);
  else
    doctor_say(f, DOCTOR_GOOD, "its address is to be had", "");
}

static void value_of(const end_t *e, doctor_finding_t *f) {
  const tf_broker_standing_t *s  = &e->standing;
  const double                ms = (double)s->answer_ns / 1e6;
  if (!e->reach.stream)
    doctor_value(f, "connects in %.2f ms", ms);
  else if (!s->is_there)
    doctor_value(f, "answers in %.2f ms; no %.40s there", ms, e->reach.stream);
  else if (s->counts)
    doctor_value(f, "%llu messages, positions %llu .. %llu; answers in %.2f ms",
                 (unsigned long long)s->message_cnt, (unsigned long long)s->begin,
                 (unsigned long long)s->end, ms);
  else
    doctor_value(f, "%llu messages; answers in %.2f ms", (unsigned long long)s->message_cnt, ms);
}

/* True: it said what is wrong. Of both ways. */
static bool judge_stream(const end_t *e, doctor_finding_t *f) {
  const tf_broker_standing_t *s = &e->standing;
  if (s->partition_cnt && !s->is_there) {
    bad(f, "the topic is there, and has no such partition",
        "one below %u in %s, or more partitions", s->partition_cnt, e->place);
    return true;
  }
  if (s->drops_read) {
    bad(f,
        "the stream removes what a consumer took: a restart could not read it, nor a sink know "
        "what it wrote last",
        "a stream with retention limits for %s", e->place);
    return true;
  }
  return false;
}

/* "D.>" covers "D.decisions.X": token by token. */
static bool covers(const char *pattern, size_t pattern_cnt, const char *subject) {
  const char *end = pattern + pattern_cnt;
  for (;;) {
    size_t want = strcspn(pattern, ". "), has = strcspn(subject, ".");
    if (want == 1 && *pattern == '>') return has > 0;
    bool is_any = want == 1 && *pattern == '*';
    if (has == 0 || (!is_any && (want != has || strncmp(pattern, subject, has) != 0))) return false;
    pattern += want;
    subject += has;
    if (pattern >= end || *subject == '\0') return pattern >= end && *subject == '\0';
    pattern++;
    subject++;
  }
}

static bool takes_records(const tf_broker_standing_t *s, const char *stream) {
  char subject[96];
  snprintf(subject, sizeof subject, "%.64s.decisions.V.I", stream);
  if (!s->subjects[0]) return true; /* no broker of subjects */
  for (const char *at = s->subjects; *at; at += strspn(at, " ")) {
    size_t chars = strcspn(at, " ");
    if (covers(at, chars, subject)) return true;
    at += chars;
  }
  return false;
}

static void judge_missing(const tf_config_sink_t *sink, const end_t *e, doctor_finding_t *f) {
  if (sink->stream_create || !strcmp(sink->type, "redis"))
    doctor_say(f, DOCTOR_GOOD, "the sink makes it with its first record", "");
  else
    bad(f, "the sink waits for it, and records wait in its queue",
        "make it (NATS: with the subjects %.40s.>), or %s.stream_create: true", e->reach.stream,
        e->place);
}

static void judge_sink(const tf_config_t *config, const end_t *e, doctor_finding_t *f) {
  const tf_config_sink_t *sink = &config->sinks[e->idx];
  if (!e->reach.stream)
    doctor_say(f, DOCTOR_GOOD, "reached as its keys say; nothing was sent", "");
  else if (judge_stream(e, f))
    return;
  else if (!e->standing.is_there)
    judge_missing(sink, e, f);
  else if (!takes_records(&e->standing, e->reach.stream))
    bad(f, "none of its subjects is the sink's: what it publishes, nobody takes",
        "add %.40s.> to the subjects of %.40s", e->reach.stream, e->reach.stream);
  else
    doctor_say(f, DOCTOR_GOOD, "reached as its keys say", "");
}

static void judge_restart(const tf_config_t *config, const end_t *e, doctor_finding_t *f) {
  const tf_broker_standing_t *s = &e->standing;
  char                        says[sizeof f->says];
  if (s->counts && e->position && e->position < s->begin) {
    snprintf(says, sizeof says,
             "%llu messages behind its snapshot (%llu) are removed: a restart has that gap",
             (unsigned long long)(s->begin - e->position), (unsigned long long)e->position);
    bad(f, says, "a stream that keeps more; snapshots more often (engine.snapshot_every)");
  } else if (e->position > s->end) {
    snprintf(says, sizeof says,
             "it ends before its snapshot (%llu): set back, a restart reads it from its beginning",
             (unsigned long long)e->position);
    warn(f, says, "is %s.stream the one that the snapshot was taken with?", e->place);
  } else if (s->age_ns_max && config->engine.snapshot &&
             s->age_ns_max < config->engine.snapshot_age_max_ns) {
    snprintf(says, sizeof says,
             "it keeps messages for %.0f s: a restart later than that after its snapshot has a gap",
             (double)s->age_ns_max / 1e9);
    warn(f, says, "a stream that keeps them for engine.snapshot_age_max at least");
  } else if (e->position && s->counts) {
    snprintf(says, sizeof says, "a restart goes on with the %llu messages behind %llu",
             (unsigned long long)(s->end - e->position), (unsigned long long)e->position);
    doctor_say(f, DOCTOR_GOOD, says, "");
  } else {
    doctor_say(f, DOCTOR_GOOD, "read as its keys say", "");
  }
}

static void judge_source(const tf_config_t *config, const end_t *e, doctor_finding_t *f) {
  if (judge_stream(e, f)) return;
  if (e->standing.is_there)
    judge_restart(config, e, f);
  else
    warn(f, "it is waited for", "make it, or start what writes it; is %s.stream its name?",
         e->place);
}

static void judge(const tf_config_t *config, const end_t *e, doctor_finding_t *f) {
  f->id = e->id;
  if (!e->look) {
    judge_address(e, f);
  } else if (e->err) {
    judge_failure(e, f);
  } else {
    value_of(e, f);
    if (e->is_source)
      judge_source(config, e, f);
    else
      judge_sink(config, e, f);
  }
}

uint32_t doctor_ends_examine(const tf_config_t *config, doctor_finding_t *findings) {
  static end_t ends[DOCTOR_ENDS_MAX]; /* as long as the findings, which have its ids */
  uint32_t     cnt = 0;
  for (uint32_t i = 0; i < config->feed_cnt; i++) add_feed(config, i, ends, &cnt);
  for (uint32_t i = 0; i < config->sink_cnt; i++) add_sink(config, i, ends, &cnt);
  dial_all(ends, cnt);
  find_positions(config, ends, cnt);
  for (uint32_t i = 0; i < cnt; i++) judge(config, &ends[i], &findings[i]);
  return cnt;
}
