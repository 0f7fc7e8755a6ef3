/* What the simulated exchange does wrong: its table (faults.def) for tools/faults. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "faults/faults.h"

typedef enum sim_fault {
#define F(id, name, kind, text) SIM_FAULT_##id,
#include "sim/faults.def"
#undef F
  SIM_FAULT_CNT
} sim_fault_t;

extern const fault_row_t sim_fault_rows[SIM_FAULT_CNT];

#endif
