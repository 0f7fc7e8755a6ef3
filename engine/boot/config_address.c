#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "boot/config_number.h"
#include "boot/config_parse.h"

#define URLS_MAX 8

/* host, host:port, [v6] or [v6]:port. port_text is "" where there is none. */
static bool split_host(const char *text, char host[256], char port_text[8]) {
  const char *host_end, *rest;
  if (text[0] == '[') {
    text++;
    host_end = strchr(text, ']');
    if (!host_end) return false;
    rest = host_end + 1;
  } else {
    host_end = rest = text + strcspn(text, ":");
  }
  size_t host_cnt = (size_t)(host_end - text);
  if (host_cnt == 0 || host_cnt > 253 || (*rest && *rest != ':') || strlen(rest) > 6) return false;
  if (*rest == ':' && rest[1] == '\0') return false;
  memcpy(host, text, host_cnt);
  host[host_cnt] = '\0';
  snprintf(port_text, 8, "%s", *rest ? rest + 1 : "");
  return true;
}

static bool read_port(const char *text, int64_t min, uint16_t *port) {
  int64_t value;
  if (tf_config_number_whole(text, &value) != TF_NUMBER_OK || value < min || value > 65535)
    return false;
  *port = (uint16_t)value;
  return true;
}

static bool is_host(const char *host, bool v6) {
  unsigned char address[16];
  if (v6) return inet_pton(AF_INET6, host, address) == 1;
  for (const char *c = host; *c; c++)
    if (!isalnum((unsigned char)*c) && *c != '.' && *c != '-' && *c != '_') return false;
  return host[0] != '.' && host[0] != '-';
}

/* Of a URL that may have one: what needs no escape, and escapes (RFC 3986, 3.3). */
static bool is_path(const char *path) {
  return path[0] == '/' && path[1] &&
         path[strspn(
             path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%/")] == '\0';
}

static const char *parse_url_node(const tf_config_value_in_t *in, const tf_config_node_t *node,
                                  tf_config_url_t *field, char *why) {
  char        found[TF_CONFIG_FOUND_BYTES], host[256], port_text[8], text[600];
  const char *plain      = strncmp(in->key->words, "ws", 2) == 0 ? "ws" : "http";
  bool        may_be_tls = strchr(in->key->words, '|') != NULL;
  bool        has_path   = strchr(in->key->words, '/') != NULL;
  const char *scheme = node->text, *after = strstr(scheme, "://");
  if (!tf_config_strings_check(node, 1, 290, why)) return NULL;
  if (strchr(scheme, '@')) /* not repeated here: errors are logged */
    return tf_config_value_refuse(
        why, "a url with a user or a password in it; those come from a file of mode 0600");
  tf_config_value_found(node, found);
  size_t plain_cnt = strlen(plain);
  bool   is_plain =
      after && (size_t)(after - scheme) == plain_cnt && memcmp(scheme, plain, plain_cnt) == 0;
  bool tls = may_be_tls && after && (size_t)(after - scheme) == plain_cnt + 1 &&
             memcmp(scheme, plain, plain_cnt) == 0 && scheme[plain_cnt] == 's';
  if (!is_plain && !tls && !may_be_tls)
    return tf_config_value_refuse(why, "found %s; expected %s://host:port", found, plain);
  if (!is_plain && !tls)
    return tf_config_value_refuse(why, "found %s; expected %ss://host:port or %s://host:port",
                                  found, plain, plain);
  size_t host_cnt = strcspn(after + 3, "/?#");
  char   authority[300], path[300] = "";
  snprintf(authority, sizeof authority, "%.*s", (int)host_cnt, after + 3);
  if (after[3 + host_cnt] && !has_path)
    return tf_config_value_refuse(
        why, "found %s; only scheme, host and port: the venue's own path is used", found);
  if (has_path) snprintf(path, sizeof path, "%s", after + 3 + host_cnt);
  if (has_path && !is_path(path))
    return tf_config_value_refuse(
        why, "found %s; expected a path of letters, digits and -._~%%/ behind the host", found);
  uint16_t port = tls ? 443 : 80;
  if (!split_host(authority, host, port_text) || !is_host(host, after[3] == '['))
    return tf_config_value_refuse(why, "found %s; expected %s%s://host:port", found, plain,
                                  tls ? "s" : "");
  if (*port_text && !read_port(port_text, 1, &port))
    return tf_config_value_refuse(why, "found %s; a port is 1 .. 65535", found);
  bool v6 = after[3] == '[';
  snprintf(text, sizeof text, "%s%s://%s%s%s:%u%s", plain, tls ? "s" : "", v6 ? "[" : "", host,
           v6 ? "]" : "", port, path);
  const char *kept      = tf_config_value_keep(in, why, host),
             *kept_path = has_path ? tf_config_value_keep(in, why, path) : NULL;
  if (!kept || (has_path && !kept_path)) return NULL;
  *field = (tf_config_url_t){.host = kept, .path = kept_path, .port = port, .tls = tls};
  return tf_config_value_keep(in, why, text);
}

const char *tf_config_address_url(const tf_config_value_in_t *in, tf_config_url_t *field,
                                  char *why) {
  return parse_url_node(in, in->node, field, why);
}

const char *tf_config_address_urls(const tf_config_value_in_t *in, tf_config_urls_t *field,
                                   char *why) {
  char   found[TF_CONFIG_FOUND_BYTES], text[URLS_MAX * 300];
  size_t used = 0;
  if (in->node->kind != TF_CONFIG_LIST)
    return tf_config_value_refuse(why, "found %s; expected a list of urls",
                                  tf_config_value_found(in->node, found));
  if (in->node->child_cnt < in->key->min || in->node->child_cnt > in->key->max)
    return tf_config_value_refuse(why, "%u items; %lld to %lld are wanted", in->node->child_cnt,
                                  (long long)in->key->min, (long long)in->key->max);
  TF_ASSERT(in->key->max <= URLS_MAX);
  tf_config_url_t *items = tf_config_pool_take(in->pool, in->node->child_cnt * sizeof *items);
  if (!items) return tf_config_value_refuse(why, "no memory");
  uint32_t cnt = 0;
  for (const tf_config_node_t *item = in->node->first; item; item = item->next) {
    *in->culprit = item;
    if (item->kind == TF_CONFIG_POISON)
      return tf_config_value_refuse(why, "has an item that was refused");
    const char *one = parse_url_node(in, item, &items[cnt], why);
    if (!one) return NULL;
    for (uint32_t i = 0; i < cnt; i++)
      if (strcmp(items[i].host, items[cnt].host) == 0 && items[i].port == items[cnt].port)
        return tf_config_value_refuse(why, "%s is given twice", tf_config_value_found(item, found));
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", cnt ? ", " : "[", one);
    cnt++;
  }
  snprintf(text + used, sizeof text - used, "]");
  *field = (tf_config_urls_t){items, cnt};
  return tf_config_value_keep(in, why, text);
}

const char *tf_config_address_listen(const tf_config_value_in_t *in, tf_config_listen_t *field,
                                     char *why) {
  char                    found[TF_CONFIG_FOUND_BYTES], host[256], port_text[8], text[300];
  const tf_config_node_t *node = in->node;
  tf_config_listen_t      to   = {.host = "127.0.0.1"};
  unsigned char           address[16];
  tf_config_value_found(node, found);
  if (strcmp(node->text, "off") == 0) {
    *field = (tf_config_listen_t){0};
    return "off";
  }
  bool v6 = node->text[0] == '[';
  if (node->plain && tf_config_number_is(node->text)) {
    if (!read_port(node->text, 0, &to.port))
      return tf_config_value_refuse(why, "found %s; a port is 0 .. 65535", found);
  } else {
    if (!tf_config_value_is_text(node) || !split_host(node->text, host, port_text) || !*port_text)
      return tf_config_value_refuse(
          why, "found %s; expected address:port such as 127.0.0.1:8090, or off", found);
    if (strcmp(host, "localhost") == 0) snprintf(host, sizeof host, "127.0.0.1");
    if (inet_pton(v6 ? AF_INET6 : AF_INET, host, address) != 1)
      return tf_config_value_refuse(
          why, "found %s; the address must be numeric, such as 127.0.0.1 or [::1]", found);
    if (!read_port(port_text, 0, &to.port))
      return tf_config_value_refuse(why, "found %s; a port is 0 .. 65535", found);
    to.host = tf_config_value_keep(in, why, host);
    if (!to.host) return NULL;
  }
  *field = to;
  snprintf(text, sizeof text, v6 ? "[%s]:%u" : "%s:%u", to.host, to.port);
  return tf_config_value_keep(in, why, text);
}
