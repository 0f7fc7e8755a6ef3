#include "sim/faults.h"

const fault_row_t sim_fault_rows[SIM_FAULT_CNT] = {
#define F(id, name, kind, text) {name, FAULT_##kind, text},
#include "sim/faults.def"
#undef F
};

TF_STATIC_ASSERT(SIM_FAULT_CNT <= FAULTS_MAX, "faults_t has room for them");
