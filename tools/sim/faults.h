/* What the simulated exchange does wrong, by seed: one table (faults.def), one parser, one
 * source of chance. Owner and only writer: the simulator's thread. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "tf/err.h"

typedef enum sim_fault {
#define F(id, name, kind, text) SIM_FAULT_##id,
#include "sim/faults.def"
#undef F
  SIM_FAULT_CNT
} sim_fault_t;

#define SIM_FAULTS_HELP_BYTES 4096

typedef struct sim_faults {
  uint64_t rng;
  double   chance[SIM_FAULT_CNT];    /* of the CHANCE ones, 0: never */
  uint64_t every[SIM_FAULT_CNT];     /* or each N-th occasion, no draw made; 0: never */
  uint64_t occasions[SIM_FAULT_CNT]; /* since the last such one */
  uint64_t times[SIM_FAULT_CNT];     /* at most so often; 0: without end */
  uint64_t ns[SIM_FAULT_CNT];        /* of the TIME ones, 0: never */
  uint64_t cnt[SIM_FAULT_CNT];       /* of the COUNT ones, 0: never */
  uint64_t done[SIM_FAULT_CNT];      /* how often it was done */
} sim_faults_t;

/* "gap=0.001,dup=1/200x3,close=10s". E_CORE_ARGUMENT says what is wrong with which item, what it may be,
 * and the nearest known name. faults: zeroed, but for rng, by the caller. */
tf_err_t sim_faults_parse(sim_faults_t *faults, const char *list);

const char *sim_fault_name(sim_fault_t fault);
/* All names with their meaning, a line each, for --help and --faults help. */
void sim_faults_help(char *buf, size_t cap);

/* A CHANCE one that may happen. */
bool sim_fault_is_on(const sim_faults_t *faults, sim_fault_t fault);
/* An occasion: true where it happens, and that is counted. A draw is made only of a fault that has a
 * chance, so that a seed gives the same course whatever else is off. */
bool sim_fault_hits(sim_faults_t *faults, sim_fault_t fault);
/* What hit could not be done at this occasion (a message without a price, say): it is not counted, and
 * where each N-th has it, the next one does. */
void sim_fault_missed(sim_faults_t *faults, sim_fault_t fault);
/* Some fault has an end, and each that has one was done so often. */
bool sim_faults_are_over(const sim_faults_t *faults);
/* The connection is older than the fault's time. */
bool sim_fault_is_due(const sim_faults_t *faults, sim_fault_t fault, uint64_t age_ns);

#endif
