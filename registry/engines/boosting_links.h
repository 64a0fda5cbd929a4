/*
 * What the sums of boosted trees become, as in the libraries that trained them.
 */

#ifndef HOTSWAP_BOOSTING_LINKS_H
#define HOTSWAP_BOOSTING_LINKS_H

#include "../kernel.h"

/* The names are those of registry.engines.boosting_arrays. */
enum {
    IDENTITY,
    FLOAT_LOGISTIC,
    FLOAT_EXP,
    FLOAT_SOFTMAX,
    HINGE, /* 1 above zero, else 0 */
    LOGISTIC,
    EXP,
    SOFTMAX,
    SIGNED_SQUARE,
    SOFTPLUS,
    ROUNDED_EXP, /* computed in double, returned as float */
    LINKS,
};

typedef struct {
    int kind;
    double scale;   /* of the scores, for LOGISTIC */
    double divisor; /* of the sums */
} Link;

/* XGBoost's `Softmax` in common/math.h: floats, and their sum in double. */
static inline void float_softmax(double *sums, Py_ssize_t outputs)
{
    float largest = (float)sums[0];
    double total = 0.0;

    for (Py_ssize_t output = 1; output < outputs; output++) {
        largest = fmaxf((float)sums[output], largest);
    }
    for (Py_ssize_t output = 0; output < outputs; output++) {
        float power = expf((float)sums[output] - largest);
        sums[output] = power;
        total += power;
    }
    for (Py_ssize_t output = 0; output < outputs; output++) {
        sums[output] = (float)sums[output] / (float)total;
    }
}

/* LightGBM's `Common::Softmax`. */
static inline void softmax(double *sums, Py_ssize_t outputs)
{
    double largest = sums[0], total = 0.0;

    for (Py_ssize_t output = 1; output < outputs; output++) {
        largest = sums[output] > largest ? sums[output] : largest;
    }
    for (Py_ssize_t output = 0; output < outputs; output++) {
        sums[output] = exp(sums[output] - largest);
        total += sums[output];
    }
    for (Py_ssize_t output = 0; output < outputs; output++) {
        sums[output] /= total;
    }
}

/* XGBoost's `Sigmoid` in common/math.h. */
static inline float float_logistic(float x)
{
    return 1.0f / (expf(fminf(-x, 88.7f)) + 1.0f + 1e-16f);
}

static inline double linked(const Link *self, double x)
{
    switch (self->kind) {
    case FLOAT_LOGISTIC:
        return float_logistic((float)x);
    case FLOAT_EXP:
        return expf((float)x);
    case HINGE:
        return x > 0.0 ? 1.0 : 0.0;
    case LOGISTIC:
        return 1.0 / (1.0 + exp(-self->scale * x));
    case EXP:
        return exp(x);
    case SIGNED_SQUARE:
        return (x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : 0.0) * x * x;
    case SOFTPLUS:
        return log1p(exp(x));
    case ROUNDED_EXP:
        return (float)exp(x);
    default:
        return x;
    }
}

/* The sums of a row become its outputs. */
static inline void link_sums(const Link *self, double *sums, Py_ssize_t outputs)
{
    if (self->divisor != 1.0) {
        for (Py_ssize_t output = 0; output < outputs; output++) {
            sums[output] /= self->divisor;
        }
    }
    if (self->kind == FLOAT_SOFTMAX) {
        float_softmax(sums, outputs);
    } else if (self->kind == SOFTMAX) {
        softmax(sums, outputs);
    } else if (self->kind != IDENTITY) {
        for (Py_ssize_t output = 0; output < outputs; output++) {
            sums[output] = linked(self, sums[output]);
        }
    }
}

#endif
