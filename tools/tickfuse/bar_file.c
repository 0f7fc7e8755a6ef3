#include "bar_file.h"

#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "row_file.h"
#include "tf/atomic.h"

tf_err_t bar_file_open(bar_file_t *bars, const char *path) {
  *bars = (bar_file_t){.file = path ? fopen(path, "w") : stdout};
  if (!bars->file) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  fputs("ts,end,instrument,open,high,low,close,volume,notional,buy_volume,trade_cnt\n", bars->file);
  return TF_OK;
}

void bar_file_write(bar_file_t *bars, const char *instrument, const tf_bar_t *bar) {
  const double values[] = {bar->open,   bar->high,     bar->low,        bar->close,
                           bar->volume, bar->notional, bar->buy_volume, (double)bar->trade_cnt};
  char         text[32];
  fprintf(bars->file, "%llu,%llu,%s", (unsigned long long)bar->begin_ns,
          (unsigned long long)bar->end_ns, instrument);
  for (size_t i = 0; i < TF_ARRAY_CNT(values); i++)
    fprintf(bars->file, ",%s", row_number(values[i], text));
  putc('\n', bars->file);
  tf_store_relaxed(&bars->bar_cnt, bars->bar_cnt + 1); /* relaxed: the count alone is shown */
}

tf_err_t bar_file_close(bar_file_t *bars) {
  if (!bars->file) return TF_OK;
  const bool failed = fflush(bars->file) != 0 || ferror(bars->file);
  if (bars->file != stdout) fclose(bars->file);
  bars->file = NULL;
  return failed ? TF_ERR(E_FILE_WRITE, "the bars: %s", strerror(errno)) : TF_OK;
}
