/* Instruction sets that vector code is written for. Which one runs is chosen when a plan is made, among those
 * of the machine (core/isa.h); what runs on each is the same bits. */
#ifndef TF_ISA_H
#define TF_ISA_H

typedef enum tf_isa {
  TF_ISA_SCALAR, /* of every machine */
  TF_ISA_AVX2,
  TF_ISA_AVX512, /* F, DQ and VL */
  TF_ISA_CNT
} tf_isa_t;

#endif
