#include "live_ways.h"

#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "feed/key_file.h"

#define LOOK_NS (50 * TF_NS_PER_MS)

/* ---- one feed ---- */

static tf_err_t proxy_init(tf_live_ways_t *w, const tf_config_feed_t *f) {
  if (!f->proxy.host) return TF_OK;
  w->has_via        = true;
  w->via.proxy_host = f->proxy.host;
  snprintf(w->via.proxy_port, sizeof w->via.proxy_port, "%u", f->proxy.port);
  if (!f->proxy_key_file) return TF_OK;
  tf_feed_key_t *key;
  tf_err_t       err = tf_key_file_load(f->proxy_key_file, &key);
  if (err) return err;
  err = tf_via_authorize(&w->via, key);
  tf_key_file_release(key);
  return err;
}

static void add_host(tf_live_ways_t *w, const char *host, bool is_tls) {
  w->hosts[w->host_cnt] = (tf_session_host_t){host, w->ports[w->host_cnt], !is_tls};
  w->host_cnt++;
}

static void hosts_init(tf_live_ways_t *w, const tf_config_feed_t *f, const tf_feed_t *feed) {
  const tf_config_url_t *urls = f->endpoints.item_cnt > 0 ? f->endpoints.items : &f->url;
  uint32_t url_cnt = f->endpoints.item_cnt > 0 ? f->endpoints.item_cnt : f->url.host != NULL;
  for (uint32_t i = 0; i < url_cnt; i++) {
    snprintf(w->ports[i], sizeof w->ports[i], "%u", urls[i].port);
    add_host(w, urls[i].host, urls[i].tls);
  }
  if (url_cnt > 0) return;
  snprintf(w->ports[0], sizeof w->ports[0], "%s", feed->ws_port);
  add_host(w, feed->ws_host, true);
  for (const tf_feed_host_t *o = feed->ws_others; o && o->host && w->host_cnt < TF_ENDPOINTS_MAX;
       o++) {
    snprintf(w->ports[w->host_cnt], sizeof w->ports[0], "%s", o->port);
    add_host(w, o->host, true);
  }
}

tf_err_t tf_live_ways_init(tf_live_ways_t *w, const tf_config_feed_t *f, const tf_feed_t *feed) {
  memset(w, 0, sizeof *w);
  w->feed_name = f->name;
  w->every_ns  = f->rank_every_ns;
  hosts_init(w, f, feed);
  tf_ranking_init(&w->ranking, w->host_cnt);
  if (f->source_address) {
    w->has_via = true;
    if (!tf_address_of_text(f->source_address, &w->via.source))
      return TF_ERR(E_CONFIG_VALUE, "source_address %s is no address", f->source_address);
  }
  if (f->interface) {
    w->has_via       = true;
    w->via.interface = f->interface;
  }
  return proxy_init(w, f);
}

void tf_live_ways_apply(tf_live_ways_t *w, tf_session_config_t *session) {
  session->hosts    = w->hosts;
  session->host_cnt = w->host_cnt;
  session->ranking  = &w->ranking;
  session->via      = w->has_via ? &w->via : NULL;
}

void tf_live_ways_fini(tf_live_ways_t *w) { explicit_bzero(&w->via, sizeof w->via); }

tf_err_t tf_live_ways_measure(tf_live_ways_t *w, tf_dialer_t *dialer, const uint32_t *stopping,
                              tf_ranker_row_t *rows) {
  tf_ranker_config_t config = {
      .dialer   = dialer,
      .target   = tf_session_target(w->source),
      .random   = {NULL, tf_ws_random_system},
      .stopping = stopping
  };
  config.endpoints = tf_session_endpoints(w->source, &config.endpoint_cnt);
  return tf_ranker_measure(&config, rows, w->best_first);
}

static void url_of(const tf_live_ways_t *w, uint32_t idx, char *text, size_t cap) {
  const tf_session_host_t *h  = &w->hosts[idx];
  bool                     v6 = strchr(h->host, ':') != NULL;
  snprintf(text, cap, "%s://%s%s%s:%s", h->plain ? "ws" : "wss", v6 ? "[" : "", h->host,
           v6 ? "]" : "", h->port);
}

static void print_ms(uint64_t ns, FILE *out) {
  if (ns > 0)
    fprintf(out, " %9.3f", (double)ns / 1e6);
  else
    fprintf(out, " %9s", "-");
}

static const tf_dial_phase_t shown[] = {TF_DIAL_DNS, TF_DIAL_CONNECT, TF_DIAL_PROXY, TF_DIAL_TLS,
                                        TF_DIAL_UPGRADE};

void tf_live_ways_print(const tf_live_ways_t *w, const tf_ranker_row_t *rows, FILE *out) {
  fprintf(out, "feed %s, milliseconds:\n%4s %-44s %-24s", w->feed_name, "rank", "endpoint",
          "address");
  for (size_t i = 0; i < TF_ARRAY_CNT(shown); i++)
    fprintf(out, " %9s", tf_dialer_phase_name(shown[i]));
  fprintf(out, " %9s\n", "ping");
  for (uint32_t i = 0; i < w->host_cnt; i++) {
    const tf_ranker_row_t *row = &rows[w->best_first[i]];
    char                   url[300];
    url_of(w, w->best_first[i], url, sizeof url);
    fprintf(out, "%4u %-44s %-24s", i + 1, url, row->address[0] ? row->address : "-");
    for (size_t k = 0; k < TF_ARRAY_CNT(shown); k++) print_ms(row->phase_ns[shown[k]], out);
    print_ms(row->ping_ns, out);
    fputc('\n', out);
    if (row->err) fprintf(out, "     %s: %s\n", tf_error_name(row->err), row->text);
  }
}

json_t *tf_live_ways_json(const tf_live_ways_t *w, const tf_ranker_row_t *rows) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < w->host_cnt; i++) {
    const tf_ranker_row_t *row = &rows[w->best_first[i]];
    json_t                *one = json_object();
    char                   text[300];
    url_of(w, w->best_first[i], text, sizeof text);
    json_object_set_new(one, "url", json_string(text));
    json_object_set_new(one, "rank", json_integer(i + 1));
    json_object_set_new(one, "address", row->address[0] ? json_string(row->address) : json_null());
    for (size_t k = 0; k < TF_ARRAY_CNT(shown); k++) {
      snprintf(text, sizeof text, "%s_ns", tf_dialer_phase_name(shown[k]));
      json_object_set_new(one, text, json_integer((json_int_t)row->phase_ns[shown[k]]));
    }
    json_object_set_new(one, "ping_ns",
                        row->pong_cnt ? json_integer((json_int_t)row->ping_ns) : json_null());
    json_object_set_new(one, "pongs", json_integer(row->pong_cnt));
    json_object_set_new(one, "error",
                        row->err ? json_string(tf_error_name(row->err)) : json_null());
    json_object_set_new(one, "text", json_string(row->text));
    json_array_append_new(list, one);
  }
  return json_pack("{ssso}", "feed", w->feed_name, "endpoints", list);
}

/* ---- the thread ---- */

static void log_order(const tf_live_ways_t *w, const tf_ranker_row_t *rows) {
  char   text[512];
  size_t used = 0;
  for (uint32_t i = 0; i < w->host_cnt && used < sizeof text; i++) {
    uint32_t               idx = w->best_first[i];
    const tf_ranker_row_t *row = &rows[idx];
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s:%s=", i ? "," : "",
                             w->hosts[idx].host, w->hosts[idx].port);
    if (used >= sizeof text) break;
    used += row->err
                ? (size_t)snprintf(text + used, sizeof text - used, "%s", tf_error_name(row->err))
                : (size_t)snprintf(text + used, sizeof text - used, "%.1fms",
                                   (double)row->ping_ns / 1e6);
  }
  tf_log(TF_LOG_NOTICE, "endpoints_ranked", "feed=%s order=%s", w->feed_name, text);
}

static void measure(tf_live_ranks_t *ranks, tf_live_ways_t *w) {
  static tf_ranker_row_t rows[TF_ENDPOINTS_MAX]; /* one thread */
  uint8_t                before[TF_ENDPOINTS_MAX];
  bool                   is_first = w->due_ns == 0;
  memcpy(before, w->best_first, sizeof before);
  if (tf_live_ways_measure(w, ranks->dialer, &ranks->stopping, rows) == TF_OK) {
    tf_ranking_set(&w->ranking, w->best_first);
    if (is_first || memcmp(before, w->best_first, w->host_cnt) != 0) log_order(w, rows);
  }
  w->due_ns = w->every_ns ? tf_clock_monotonic_ns() + w->every_ns : UINT64_MAX;
}

static void *ranks_thread(void *arg) {
  tf_live_ranks_t *ranks = arg;
  /* relaxed: a stop flag; nothing else is read on its word */
  while (!tf_load_relaxed_u32(&ranks->stopping)) {
    for (uint32_t i = 0; i < ranks->feed_cnt; i++)
      if (tf_clock_monotonic_ns() >= ranks->feeds[i]->due_ns) measure(ranks, ranks->feeds[i]);
    tf_store_release_u32(&ranks->measured, 1); /* pairs with: tf_live_ranks_start */
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
  }
  return NULL;
}

void tf_live_ranks_add(tf_live_ranks_t *ranks, tf_live_ways_t *w, const tf_source_t *source) {
  w->source = source;
  TF_ASSERT(ranks->feed_cnt < TF_ARRAY_CNT(ranks->feeds));
  if (w->host_cnt > 1) ranks->feeds[ranks->feed_cnt++] = w;
}

tf_err_t tf_live_ranks_start(tf_live_ranks_t *ranks, tf_dialer_t *dialer) {
  ranks->dialer = dialer;
  if (ranks->feed_cnt == 0) return TF_OK;
  int failed = pthread_create(&ranks->thread, NULL, ranks_thread, ranks);
  if (failed) return TF_ERR(E_CORE_THREAD, "measuring endpoints: %s", strerror(failed));
  ranks->is_running = true;
  uint64_t begin_ns = tf_clock_monotonic_ns();
  while (!tf_load_acquire_u32(&ranks->measured) && /* pairs with: ranks_thread */
         tf_clock_monotonic_ns() - begin_ns < TF_LIVE_RANK_WAIT_NS)
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS / 10}, NULL);
  return TF_OK;
}

void tf_live_ranks_stop(tf_live_ranks_t *ranks) {
  if (!ranks->is_running) return;
  tf_store_relaxed_u32(&ranks->stopping, 1); /* relaxed: a stop flag */
  pthread_join(ranks->thread, NULL);
  ranks->is_running = false;
}
