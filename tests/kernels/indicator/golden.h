/* Reads tests/golden (tools/make_golden_indicators.py says how it is written): bars by name, and the evals of a file
 * one by one. TF_GOLDEN names another folder. Test code: one thread, fails the test on a bad file. */
#ifndef TESTS_INDICATOR_GOLDEN_H
#define TESTS_INDICATOR_GOLDEN_H

#include "tf/indicator.h"

enum { GOLDEN_COLUMNS = 6, GOLDEN_SAMPLES_MAX = 1 << 20 };

typedef struct golden_bars {
  char    name[32];
  size_t  cnt;
  double *columns[GOLDEN_COLUMNS]; /* open, high, low, close, volume, periods */
} golden_bars_t;

/* What is wanted at one index; NaN where there is no value. */
typedef struct golden_sample {
  size_t idx;
  bool   has_exact;
  double talib[TF_INDICATOR_OUTPUTS_MAX], exact[TF_INDICATOR_OUTPUTS_MAX];
} golden_sample_t;

typedef enum golden_scale { GOLDEN_NUMBER, GOLDEN_INPUTS, GOLDEN_OUTPUTS } golden_scale_t;

typedef struct golden_eval {
  char             name[32];
  char             scale_text[16];
  golden_scale_t   scale_kind;
  double           scale;
  size_t           lookback;
  uint32_t         output_cnt, param_cnt;
  double           params[TF_INDICATOR_PARAMS_MAX];
  golden_bars_t   *bars;
  golden_sample_t *samples; /* ascending */
  size_t           sample_cnt;
} golden_eval_t;

typedef struct golden_file golden_file_t;

/* Before the first file. false: there is no tests/golden. */
bool golden_load_bars(void);

/* The column of a name, NULL for an unknown one. */
const double *golden_column(const golden_bars_t *bars, const char *name);

/* The files of the folder but the bars, sorted; NULL past the last. */
const char *golden_file_name(uint32_t i);

golden_file_t *golden_open(const char *file_name);
void           golden_close(golden_file_t *file);

/* The next eval; false at the end. Its samples live until the next call. */
bool golden_next(golden_file_t *file, golden_eval_t *eval);

#endif
