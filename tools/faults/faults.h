/* What a tool can be told to do wrong, by seed: a table of the tool's own (tools/sim/faults.def, say), one parser, one source
 * of chance. Owner and only writer: the tool's thread. */
#ifndef TOOLS_FAULTS_FAULTS_H
#define TOOLS_FAULTS_FAULTS_H

#include "tf/err.h"

typedef enum fault_kind {
  FAULT_CHANCE, /* 0 to 1, drawn for each occasion, or 1/N: each N-th occasion */
  FAULT_TIME,   /* a duration */
  FAULT_COUNT
} fault_kind_t;

typedef struct fault_row {
  const char  *name;
  fault_kind_t kind;
  const char  *text; /* what happens */
} fault_row_t;

#define FAULTS_MAX        64
#define FAULTS_HELP_BYTES 4096

typedef struct faults {
  const fault_row_t *rows;
  int                row_cnt; /* up to FAULTS_MAX */
  uint64_t           rng;
  double             chance[FAULTS_MAX];    /* of the CHANCE ones, 0: never */
  uint64_t           every[FAULTS_MAX];     /* or each N-th occasion, no draw made; 0: never */
  uint64_t           occasions[FAULTS_MAX]; /* since the last such one */
  uint64_t           times[FAULTS_MAX];     /* at most so often; 0: without end */
  uint64_t           ns[FAULTS_MAX];        /* of the TIME ones, 0: never */
  uint64_t           cnt[FAULTS_MAX];       /* of the COUNT ones, 0: never */
  uint64_t           done[FAULTS_MAX];      /* how often it was done */
} faults_t;

/* Nothing goes wrong, so far. */
void faults_init(faults_t *faults, const fault_row_t *rows, int row_cnt, uint64_t seed);

/* "gap=0.001,dup=1/200x3,close=10s". E_CORE_ARGUMENT says what is wrong with which item, what it may be,
 * and the nearest known name. tool: what has the list, for its help. */
tf_err_t faults_parse(faults_t *faults, const char *tool, const char *list);

/* All names with their meaning, a line each, for --help and --faults help. */
void faults_help(const fault_row_t *rows, int row_cnt, char *buf, size_t cap);

/* A CHANCE one that may happen. */
bool fault_is_on(const faults_t *faults, int fault);
/* An occasion: true where it happens, and that is counted. A draw is made only of a fault that has a
 * chance, so that a seed gives the same course whatever else is off. */
bool fault_hits(faults_t *faults, int fault);
/* What hit could not be done at this occasion (a message without a price, say): it is not counted, and
 * where each N-th has it, the next one does. */
void fault_missed(faults_t *faults, int fault);
/* Some fault has an end, and each that has one was done so often. */
bool faults_are_over(const faults_t *faults);
/* The connection is older than the fault's time. */
bool fault_is_due(const faults_t *faults, int fault, uint64_t age_ns);

#endif
