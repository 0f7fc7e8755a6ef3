#include "bench_market.h"

#include <stdio.h>

#define FIRST_ID    UINT64_C(5123107839020)
#define BOOK_LEVELS 100u /* a side, of the snapshot */

int bench_text_write(char *text, uint64_t n) {
  uint32_t move = (uint32_t)((n * 2654435761u >> 16) % 4), amount = 100 + 7 * move;
  if (n % 4 == 3) {
    uint64_t before = FIRST_ID + n / 4 * 10; /* the last update id of the depth message before */
    return snprintf(text, BENCH_TEXT_BYTES_MAX,
                    "{\"stream\":\"btcusdt@depth@0ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":"
                    "1723161256299,\"T\":1723161256298,\"s\":\"BTCUSDT\",\"U\":%llu,\"u\":%llu,"
                    "\"pu\":%llu,\"b\":[[\"61799.%u0\",\"1.%u\"],[\"61798.%u0\",\"2.%u\"]],\"a\":"
                    "[[\"61802.%u0\",\"1.%u\"],[\"61803.%u0\",\"2.%u\"]]}}",
                    (unsigned long long)before + 1, (unsigned long long)before + 10,
                    (unsigned long long)before, move, amount, move, amount, move, amount, move,
                    amount);
  }
  if (n % 4 == 1)
    return snprintf(text, BENCH_TEXT_BYTES_MAX,
                    "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1723161256313,"
                    "\"T\":1723161256312,\"s\":\"BTCUSDT\",\"t\":%llu,\"p\":\"61800.%u0\",\"q\":"
                    "\"0.%u\",\"X\":\"MARKET\",\"m\":%s}}",
                    (unsigned long long)(5261700000 + n / 4), 5 + move, amount,
                    move % 2 ? "true" : "false");
  return snprintf(text, BENCH_TEXT_BYTES_MAX,
                  "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"e\":\"bookTicker\",\"u\":%llu,"
                  "\"s\":\"BTCUSDT\",\"b\":\"61800.%u0\",\"B\":\"2.%u\",\"a\":\"61801.%u0\",\"A\":"
                  "\"1.%u\",\"T\":1723161256313,\"E\":1723161256313}}",
                  (unsigned long long)(FIRST_ID + n), move, amount, move, amount);
}

size_t bench_snapshot_write(char *text) {
  size_t at = (size_t)snprintf(text, BENCH_SNAPSHOT_BYTES_MAX,
                               "{\"lastUpdateId\":%llu,\"E\":1723161256501,"
                               "\"T\":1723161256493,\"bids\":[",
                               (unsigned long long)(FIRST_ID + 5));
  for (uint32_t side = 0; side < 2; side++) {
    for (uint32_t i = 0; i < BOOK_LEVELS; i++) {
      uint32_t tenths = side == 0 ? 617990 - i : 618020 + i;
      at += (size_t)snprintf(text + at, BENCH_SNAPSHOT_BYTES_MAX - at, "%s[\"%u.%u0\",\"1.%03u\"]",
                             i ? "," : "", tenths / 10, tenths % 10, 100 + i);
    }
    at += (size_t)snprintf(text + at, BENCH_SNAPSHOT_BYTES_MAX - at,
                           side == 0 ? "],\"asks\":[" : "]}");
  }
  return at;
}
