/* The two commands behind a main of two lines, so that they are tested without the whole binary. */
#include <string.h>

#include "cli.h"
#include "cmd_config.h"

int main(int argc, char **argv) {
  static const char *const venues[] = {"binance-spot", "binance-usdm", "kraken"};
  static const char *const sinks[] = {"journal", "shm"}, *const policies[] = {"rule"};
  static const tf_config_known_t known = {venues, 3, sinks, 2, policies, 1};
  tf_cmd_check_known(&known);
  if (argc > 1 && strcmp(argv[1], "check") == 0) return tf_cmd_check(argc - 1, argv + 1);
  if (argc > 1 && strcmp(argv[1], "schema") == 0) return tf_cmd_schema(argc - 1, argv + 1);
  return 2;
}
