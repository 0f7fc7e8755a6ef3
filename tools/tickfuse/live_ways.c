#include "live_ways.h"

#include <string.h>

#include "core/error.h"
#include "feed/key_file.h"

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

tf_ranks_feed_t tf_live_ways_ranked(tf_live_ways_t *w, const tf_source_t *source) {
  uint32_t cnt;
  return (tf_ranks_feed_t){.name      = w->feed_name,
                           .ranking   = &w->ranking,
                           .endpoints = tf_session_endpoints(source, &cnt),
                           .target    = tf_session_target(source),
                           .every_ns  = w->every_ns};
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

void tf_live_ways_print(const tf_live_ways_t *w, const tf_ranker_row_t *rows,
                        const uint8_t *best_first, FILE *out) {
  fprintf(out, "feed %s, milliseconds:\n%4s %-44s %-24s", w->feed_name, "rank", "endpoint",
          "address");
  for (size_t i = 0; i < TF_ARRAY_CNT(shown); i++)
    fprintf(out, " %9s", tf_dialer_phase_name(shown[i]));
  fprintf(out, " %9s\n", "ping");
  for (uint32_t i = 0; i < w->host_cnt; i++) {
    const tf_ranker_row_t *row = &rows[best_first[i]];
    char                   url[300];
    url_of(w, best_first[i], url, sizeof url);
    fprintf(out, "%4u %-44s %-24s", i + 1, url, row->address[0] ? row->address : "-");
    for (size_t k = 0; k < TF_ARRAY_CNT(shown); k++) print_ms(row->phase_ns[shown[k]], out);
    print_ms(row->ping_ns, out);
    fputc('\n', out);
    if (row->err) fprintf(out, "     %s: %s\n", tf_error_name(row->err), row->text);
  }
}

json_t *tf_live_ways_json(const tf_live_ways_t *w, const tf_ranker_row_t *rows,
                          const uint8_t *best_first) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < w->host_cnt; i++) {
    const tf_ranker_row_t *row = &rows[best_first[i]];
    json_t                *one = json_object();
    char                   text[300];
    url_of(w, best_first[i], text, sizeof text);
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
