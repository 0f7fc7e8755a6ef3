/* Rows less their mean, over the root of their variance. Instance and group norms are this over reshaped rows. */
#include "tensor/norm.h"

/* One for each type, so that neither converts what it need not. */
#define MEAN_OF_(name, T)                                                                          \
  TF_INLINE double name(const T *x, uint32_t width) {                                              \
    double sum[4] = {0.0, 0.0, 0.0, 0.0};                                                          \
    for (uint32_t i = 0; i < width; i++) sum[i % 4] += (double)x[i];                               \
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) / (double)width;                                \
  }
MEAN_OF_(mean_of_doubles, double)
MEAN_OF_(mean_of_floats, float)
#define MEAN(x, width) _Generic(*(x), double : mean_of_doubles, float : mean_of_floats)(x, width)

TF_NORM(layer_norm, 3, 8, MEAN)
