#include <ctype.h>
#include <jansson.h>
#include <string.h>

#include "boot/config_table.h"
#include "boot/config_value.h"
#include "cli.h"
#include "cmd_config.h"

typedef enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_MARKDOWN } format_t;

/* One line of the schema: a key, or (key NULL) a group. */
typedef struct line {
  const char              *path;
  const tf_config_key_t   *key;
  const tf_config_group_t *group;
  uint32_t                 depth;
} line_t;

typedef struct printer {
  format_t format;
  json_t  *keys;
} printer_t;

static const char *type_of(const line_t *line) {
  static const char *const kinds[] = {"section", "list", "map", "list of texts or mappings"};
  return line->key ? tf_config_table_type_name(line->key->type) : kinds[line->group->kind];
}

static const char *help_of(const line_t *line) {
  return line->key ? line->key->help : line->group->help;
}

static bool is_required(const line_t *line) {
  return line->key && tf_config_table_required(line->key);
}

/* "" where there is none: required, or may be left out. */
static const char *default_of(const line_t *line) {
  if (is_required(line)) return "";
  if (!line->key && line->group->kind == TF_CONFIG_KIND_SECTION) return "";
  const char *text = line->key ? line->key->standard : line->group->standard;
  return text ? text : "";
}

static const char *allowed_of(const line_t *line, char *buf, size_t cap) {
  static const char durations[] = "units ns, us, ms, s, m, h";
  buf[0]                        = '\0';
  if (!line->key) {
    if (line->group->kind != TF_CONFIG_KIND_SECTION)
      snprintf(buf, cap, "1 .. %u items", line->group->cap);
    return buf;
  }
  char range[96], words[256];
  tf_config_value_range_text(line->key, range, sizeof range);
  switch (line->key->type) {
  case TF_CONFIG_TYPE_WORD: return tf_config_table_words_text(line->key->words, buf, cap);
  case TF_CONFIG_TYPE_WORDS:
    snprintf(buf, cap, "all, or a list of: %s",
             tf_config_table_words_text(line->key->words, words, sizeof words));
    break;
  case TF_CONFIG_TYPE_URL:
    snprintf(buf, cap, "host and port, %sscheme %s", strchr(line->key->words, '/') ? "path, " : "",
             tf_config_table_words_text(line->key->words, words, sizeof words));
    words[strcspn(words, "/")] = '\0';
    break;
  case TF_CONFIG_TYPE_URLS:
    snprintf(buf, cap, "%lld to %lld of host and port, scheme %s", (long long)line->key->min,
             (long long)line->key->max,
             tf_config_table_words_text(line->key->words, words, sizeof words));
    break;
  case TF_CONFIG_TYPE_DURATION: snprintf(buf, cap, "%s; %s", range, durations); break;
  case TF_CONFIG_TYPE_SIZE: snprintf(buf, cap, "%s; units B, KiB, MiB, GiB", range); break;
  case TF_CONFIG_TYPE_BAR:
    snprintf(buf, cap,
             "a duration %s, or an amount of ticks, volume, notional, tick_imbalance, "
             "volume_imbalance, notional_imbalance, tick_runs, volume_runs, notional_runs",
             range);
    break;
  case TF_CONFIG_TYPE_HOURS: snprintf(buf, cap, "HH:MM-HH:MM"); break;
  case TF_CONFIG_TYPE_OFFSET: snprintf(buf, cap, "-14:00 .. +14:00"); break;
  case TF_CONFIG_TYPE_WEIGHTS: snprintf(buf, cap, "%s, each above 0", range); break;
  case TF_CONFIG_TYPE_RANGE: snprintf(buf, cap, "min..max, ..max or min.."); break;
  case TF_CONFIG_TYPE_LISTEN: snprintf(buf, cap, "address:port, a port, or off"); break;
  default: snprintf(buf, cap, "%s", range);
  }
  return buf;
}

static void print_text_line(const line_t *line) {
  char allowed[400];
  allowed_of(line, allowed, sizeof allowed);
  printf("%s%s\n    %s", line->depth ? "" : "\n", line->path, type_of(line));
  if (is_required(line)) printf(", required");
  if (*allowed) printf("; %s", allowed);
  if (*default_of(line)) printf("; default %s", default_of(line));
  printf("\n    %s\n", help_of(line));
}

/* Text as a cell of a Markdown table. */
static void print_cell(const char *text, bool code) {
  printf(code ? " `" : " ");
  for (; *text; text++) printf(*text == '|' || (*text == '<' && !code) ? "\\%c" : "%c", *text);
  printf(code ? "` |" : " |");
}

static void print_markdown_line(const line_t *line) {
  char allowed[400];
  if (line->depth == 0)
    printf(
        "\n## %s\n\n%s%s\n\n| key | type | allowed | default | meaning |\n|---|---|---|---|---|\n",
        line->path, help_of(line), ".");
  else {
    printf("|");
    print_cell(line->path, true);
    print_cell(type_of(line), false);
    print_cell(allowed_of(line, allowed, sizeof allowed), false);
    if (is_required(line))
      print_cell("required", false);
    else if (*default_of(line))
      print_cell(default_of(line), true);
    else
      print_cell("-", false);
    print_cell(help_of(line), false);
    printf("\n");
  }
}

static json_t *json_of_line(const line_t *line) {
  const tf_config_key_t *key    = line->key;
  json_t                *object = json_object();
  char                   allowed[400];
  json_object_set_new(object, "path", json_string(line->path));
  json_object_set_new(object, "type", json_string(type_of(line)));
  json_object_set_new(object, "required", json_boolean(is_required(line)));
  json_object_set_new(object, "default",
                      *default_of(line) ? json_string(default_of(line)) : json_null());
  json_object_set_new(object, "allowed", json_string(allowed_of(line, allowed, sizeof allowed)));
  json_object_set_new(object, "unit", key && *key->unit ? json_string(key->unit) : json_null());
  if (key && key->max > 0) {
    json_object_set_new(object, "min", json_integer(key->min));
    json_object_set_new(object, "max", json_integer(key->max));
  }
  if (key && key->words && key->type != TF_CONFIG_TYPE_URL && key->type != TF_CONFIG_TYPE_URLS) {
    json_t *words = json_array();
    for (uint32_t i = 0; i < tf_config_table_word_cnt(key->words); i++) {
      size_t      bytes_cnt;
      const char *word = tf_config_table_word(key->words, i, &bytes_cnt);
      json_array_append_new(words, json_stringn(word, bytes_cnt));
    }
    json_object_set_new(object, "words", words);
  }
  json_object_set_new(object, "help", json_string(help_of(line)));
  return object;
}

static void print_line(printer_t *printer, const line_t *line) {
  if (printer->format == FORMAT_JSON)
    json_array_append_new(printer->keys, json_of_line(line));
  else if (printer->format == FORMAT_MARKDOWN)
    print_markdown_line(line);
  else
    print_text_line(line);
}

/* A MAP's values are its second key's; an ITEMS' texts are its last key's. */
static void walk(printer_t *printer, const tf_config_section_t *section, const char *path,
                 uint32_t depth) {
  char sub_path[128];
  for (uint32_t i = 0; i < section->key_cnt; i++) {
    snprintf(sub_path, sizeof sub_path, "%s.%s", path, section->keys[i].name);
    print_line(printer, &(line_t){sub_path, &section->keys[i], NULL, depth});
  }
  for (uint32_t i = 0; i < section->group_cnt; i++) {
    const tf_config_group_t *group = &section->groups[i];
    bool has_items = group->kind == TF_CONFIG_KIND_LIST || group->kind == TF_CONFIG_KIND_ITEMS;
    snprintf(sub_path, sizeof sub_path, "%s%s%s", path, *path ? "." : "", group->name);
    print_line(printer, &(line_t){sub_path, NULL, group, depth});
    snprintf(sub_path, sizeof sub_path, "%s%s%s%s", path, *path ? "." : "", group->name,
             has_items ? "[]" : "");
    if (group->kind == TF_CONFIG_KIND_MAP) {
      snprintf(sub_path, sizeof sub_path, "%s.<name>", group->name);
      print_line(printer, &(line_t){sub_path, &group->section->keys[1], NULL, depth + 1});
      tf_config_section_t others = *group->section;
      others.keys += 1;
      others.key_cnt -= 1;
      walk(printer, &others, sub_path, depth + 1);
    } else {
      walk(printer, group->section, sub_path, depth + 1);
    }
  }
}

static void print_profiles(format_t format) {
  const char *profile = "";
  printf(format == FORMAT_MARKDOWN
             ? "\n## Profiles\n\n`engine.profile` sets these keys where neither "
               "the file nor `--set` does; `standard` is the defaults.\n\n"
               "| profile | key | value |\n|---|---|---|\n"
             : "\nprofiles (engine.profile); standard is the defaults\n");
  for (uint32_t i = 0; i < tf_config_table_profile_cnt; i++) {
    const tf_config_profile_row_t *row = &tf_config_table_profiles[i];
    if (format == FORMAT_MARKDOWN)
      printf("| `%s` | `engine.%s` | `%s` |\n", row->profile, row->key, row->value);
    else
      printf("%s%s%sengine.%s: %s\n", strcmp(profile, row->profile) ? row->profile : "",
             strcmp(profile, row->profile) ? "\n" : "", "    ", row->key, row->value);
    profile = row->profile;
  }
}

static void print_markdown_head(void) {
  fputs("# Configuration\n\n"
        "<!-- Written by `tickfuse schema --markdown`; a test compares. -->\n\n"
        "A config is one YAML file. `tickfuse check FILE` checks it and prints where each value "
        "came\n"
        "from; `--set key=value` lays values over it (`--set engine.idle=spin`, `--set\n"
        "feeds.0.url=ws://127.0.0.1:9001`; lists and mappings in flow style, `--set\n"
        "'feeds.0.channels=[trade]'`). What comes later wins: defaults, profile, file, `--set`.\n\n"
        "Accepted is the part of YAML that reads the same everywhere: mappings, lists and text in "
        "one\n"
        "document. Anchors, aliases, tags, duplicate keys, unknown keys, empty lists and several\n"
        "documents are errors, and all errors found are reported at once with file:line:column. "
        "Only\n"
        "`true` and `false` are booleans; where text is due, a number or boolean must be quoted.\n"
        "Durations and sizes carry units (`250ms`, `64MiB`). A file has at most 1 MiB and 16 "
        "levels.\n\n"
        "Relative `file` and `ca_file` paths are looked for beside the config file first, then in "
        "the\n"
        "current directory.\n",
        stdout);
}

static void print_json(printer_t *printer) {
  json_t *object = json_object(), *profiles = json_object();
  for (uint32_t i = 0; i < tf_config_table_profile_cnt; i++) {
    const tf_config_profile_row_t *row  = &tf_config_table_profiles[i];
    json_t                        *keys = json_object_get(profiles, row->profile);
    char                           path[96];
    if (!keys) {
      keys = json_object();
      json_object_set_new(profiles, row->profile, keys);
    }
    snprintf(path, sizeof path, "engine.%s", row->key);
    json_object_set_new(keys, path, json_string(row->value));
  }
  json_object_set_new(object, "keys", printer->keys);
  json_object_set_new(object, "profiles", profiles);
  json_dumpf(object, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(object);
}

int tf_cmd_schema(int argc, char **argv) {
  uint32_t              json = 0, markdown = 0;
  const tf_cli_option_t options[] = {
      {"--json",     NULL, "{\"keys\": [...], \"profiles\": {...}}", NULL, &json    },
      {"--markdown", NULL, "the text of docs/config.md",             NULL, &markdown},
  };
  const tf_cli_spec_t spec = {.usage = "schema [--json | --markdown]",
                              .about = "Prints every key of the config: path, type, unit, default, "
                                       "allowed range or words, meaning.",
                              .options    = options,
                              .option_cnt = TF_ARRAY_CNT(options)};
  int                 code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  printer_t printer = {.format = json ? FORMAT_JSON : markdown ? FORMAT_MARKDOWN : FORMAT_TEXT};
  printer.keys      = json ? json_array() : NULL;
  if (printer.format == FORMAT_MARKDOWN) print_markdown_head();
  walk(&printer, &tf_config_table_root, "", 0);
  if (json)
    print_json(&printer);
  else
    print_profiles(printer.format);
  return TF_EXIT_DONE;
}
