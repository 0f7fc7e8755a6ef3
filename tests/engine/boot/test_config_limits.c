/* Every size that a config file or --set may have, at one below, at, and one above its limit: refused
 * above it with the limit in the text, never before. */
#include "cmocka_tf.h"

#include <string.h>
#include <unistd.h>

#include "boot/config.h"
#include "boot/config_text.h"
#include "boot/config_tree.h"

#define TEXT_CAP (2u << 20)

static char              *text;
static tf_config_errors_t errors;

static char *put(char *at, const char *piece) {
  size_t cnt = strlen(piece);
  memcpy(at, piece, cnt + 1);
  return at + cnt;
}

static char *put_n(char *at, char byte, uint32_t n) {
  memset(at, byte, n);
  at[n] = '\0';
  return at + n;
}

/* Each writes a config whose counted thing has size n. */
static void bytes(uint32_t n) {
  char *at = put(text, "engine: {idle: spin}");
  put_n(at, '\n', n - 20);
}

static void depth(uint32_t n) {
  char *at = put(text, "x: "); /* the file's own mapping is the first level */
  at       = put_n(at, '[', n - 1);
  put_n(at, ']', n - 1);
}

static void keys(uint32_t n) {
  char *at = text;
  for (uint32_t i = 0; i < n; i++) at += sprintf(at, "k%u: 1\n", i);
}

static void bars(uint32_t n) {
  char *at = put(text, "bars: {");
  for (uint32_t i = 0; i < n; i++) at += sprintf(at, "b%u: 1s, ", i);
  put(at, "}\n");
}

static void features(uint32_t n) {
  char *at = put(text, "features: [");
  for (uint32_t i = 0; i < n; i++) at = put(at, "mid, ");
  put(at, "]\n");
}

static void instruments(uint32_t n) {
  char *at = put(text, "feeds: [{name: a, venue: kraken, instruments: [");
  for (uint32_t i = 0; i < n; i++) at += sprintf(at, "S%u, ", i);
  put(at, "]}]\n");
}

static void feeds(uint32_t n) {
  char *at = put(text, "feeds: [");
  for (uint32_t i = 0; i < n; i++) at += sprintf(at, "{name: f%u, venue: kraken}, ", i);
  put(at, "]\n");
}

static void strategies(uint32_t n) {
  char *at = put(text, "strategies: [");
  for (uint32_t i = 0; i < n; i++) at += sprintf(at, "{name: s%u}, ", i);
  put(at, "]\n");
}

static void name(uint32_t n) {
  char *at = put(text, "feeds: [{venue: kraken, name: ");
  put(put_n(at, 'a', n), "}]\n");
}

static void rule(uint32_t n) {
  char *at = put(text, "strategies: [{name: s, buy: \"");
  put(put_n(at, 'x', n), "\"}]\n");
}

static void expression(uint32_t n) {
  char *at = put(text, "features: [\"");
  put(put_n(at, 'x', n), "\"]\n");
}

static void path(uint32_t n) {
  char *at = put(text, "sinks: [{type: journal, path: ");
  put(put_n(at, 'p', n), "}]\n");
}

static void message_bytes(uint32_t n) {
  sprintf(text, "feeds: [{name: a, venue: kraken, message_bytes_max: %uB}]\n", n);
}

static const struct {
  const char *what;
  void (*write)(uint32_t n);
  uint32_t    limit;
  const char *refusal;
} cases[] = {
    {"bytes of the file",      bytes,         TF_CONFIG_TEXT_BYTES_MAX, "at most 1048576 (1 MiB)"     },
    {"levels of nesting",      depth,         TF_CONFIG_DEPTH_MAX,      "nested deeper than 16 levels"},
    {"keys of a mapping",      keys,          TF_CONFIG_MAP_KEYS_MAX,   "more than 1024 keys"         },
    {"bars",                   bars,          64,                       "65 items; at most 64"        },
    {"features",               features,      1024,                     "1025 items; at most 1024"    },
    {"instruments",            instruments,   4096,                     "4097 items"                  },
    {"feeds",                  feeds,         64,                       "65 items; at most 64"        },
    {"strategies",             strategies,    64,                       "65 items; at most 64"        },
    {"bytes of a name",        name,          31,                       "31"                          },
    {"bytes of a rule",        rule,          511,                      "511"                         },
    {"bytes of an expression", expression,    511,                      "511"                         },
    {"bytes of a path",        path,          1023,                     "1023"                        },
    {"message_bytes_max",      message_bytes, 16777216,                 "allowed"                     },
};

static tf_err_t load(void) {
  tf_config_t *config = NULL;
  FILE        *file   = fopen("limits.yaml", "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
  assert_int_equal(fclose(file), 0);
  memset(&errors, 0, sizeof errors);
  tf_err_t err = tf_config_load("limits.yaml", NULL, 0, NULL, &errors, &config);
  if (err == TF_OK) tf_config_free(config);
  return err;
}

static bool is_refused_for(const char *refusal) {
  for (uint32_t i = 0; i < errors.error_cnt; i++)
    if (strstr(errors.errors[i].text, refusal)) return true;
  return false;
}

static void each_limit_holds_exactly(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++)
    for (uint32_t n = cases[i].limit - 1; n <= cases[i].limit + 1; n++) {
      cases[i].write(n);
      tf_err_t err       = load();
      bool     too_large = n > cases[i].limit;
      if (is_refused_for(cases[i].refusal) == too_large && (!too_large || err != TF_OK)) continue;
      fail_msg("%s: %u of %u: %s", cases[i].what, n, cases[i].limit,
               errors.error_cnt ? errors.errors[0].text : "accepted");
    }
}

static int enter(void **state) {
  static char folder[] = "/tmp/tf_limits_XXXXXX";
  (void)state;
  text = malloc(TEXT_CAP);
  return text && mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state) {
  (void)state;
  char folder[64];
  free(text);
  unlink("limits.yaml");
  return getcwd(folder, sizeof folder) && chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_limit_holds_exactly)};
  return cmocka_run_group_tests(tests, enter, leave);
}
