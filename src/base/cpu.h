/**
 * Which instruction sets the kernels may use.
 *
 * Decided once at start from the processor; environment MARQUEE_KERNEL=generic|avx2|avx512|neon
 * lowers it (never raises it above what the processor has). Threads: reentrant.
 */
#ifndef MQ_BASE_CPU_H
#define MQ_BASE_CPU_H

#include <stdbool.h>

enum mq_kernel {
    MQ_KERNEL_GENERIC = 0, /**< plain C, the oracle of the others */
    MQ_KERNEL_AVX2,        /**< AVX2 with FMA and F16C */
    MQ_KERNEL_AVX512,      /**< AVX-512 F, BW, DQ, VL */
    MQ_KERNEL_NEON,        /**< 64-bit Arm */
    MQ_KERNEL_COUNT
};

/** The set in force. */
enum mq_kernel mq_cpu_kernel(void);

/** Whether this processor can run a set at all. */
bool mq_cpu_supports(enum mq_kernel kernel);

/** "generic", "avx2", "avx512", "neon". */
const char *mq_kernel_name(enum mq_kernel kernel);

/** Processors this process may run on (affinity and control group), at least 1. */
int mq_cpu_count(void);

#endif
