#include "math/kernels.h"

#include <math.h>
#include <stdatomic.h>

#include "math/kernels_table.h"

struct mq_adam
mq_adam_at(float rate, float beta1, float beta2, float epsilon, float l2, int64_t t)
{
    return (struct mq_adam){
        .rate = rate,
        .beta1 = beta1,
        .beta2 = beta2,
        .epsilon = epsilon,
        .l2 = l2,
        .gradient_scale = 1.0f,
        .correction1 = (float)(1.0 / (1.0 - pow((double)beta1, (double)t))),
        .correction2 = (float)(1.0 / (1.0 - pow((double)beta2, (double)t))),
    };
}

const struct mq_kernels *
mq_kernels_of(enum mq_kernel kind)
{
    if (!mq_cpu_supports(kind))
        return NULL;
    switch (kind) {
    case MQ_KERNEL_GENERIC:
        return &mq_kernels_generic;
#if defined(__x86_64__)
    case MQ_KERNEL_AVX2:
        return &mq_kernels_avx2;
    case MQ_KERNEL_AVX512:
        return &mq_kernels_avx512;
#elif defined(__aarch64__)
    case MQ_KERNEL_NEON:
        return &mq_kernels_neon;
#endif
    default:
        return NULL;
    }
}

const struct mq_kernels *
mq_kernels(void)
{
    static _Atomic(const struct mq_kernels *) chosen;
    const struct mq_kernels *kernels = atomic_load_explicit(&chosen, memory_order_acquire);
    if (kernels == NULL) {
        kernels = mq_kernels_of(mq_cpu_kernel());
        if (kernels == NULL)
            kernels = &mq_kernels_generic;
        atomic_store_explicit(&chosen, kernels, memory_order_release);
    }
    return kernels;
}
