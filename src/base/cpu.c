#include "base/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[MQ_KERNEL_COUNT] = {"generic", "avx2", "avx512", "neon"};

const char *
mq_kernel_name(enum mq_kernel kernel)
{
    return (unsigned)kernel < MQ_KERNEL_COUNT ? names[kernel] : "unknown";
}

bool
mq_cpu_supports(enum mq_kernel kernel)
{
    switch (kernel) {
    case MQ_KERNEL_GENERIC:
        return true;
#if defined(__x86_64__)
    case MQ_KERNEL_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case MQ_KERNEL_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#elif defined(__aarch64__)
    case MQ_KERNEL_NEON:
        return true;
#endif
    default:
        return false;
    }
}

enum mq_kernel
mq_cpu_kernel(void)
{
    enum mq_kernel best = MQ_KERNEL_GENERIC;
    for (int k = MQ_KERNEL_GENERIC; k < MQ_KERNEL_COUNT; k++)
        if (mq_cpu_supports((enum mq_kernel)k))
            best = (enum mq_kernel)k;
    const char *wanted = getenv("MARQUEE_KERNEL");
    if (wanted != NULL)
        for (int k = MQ_KERNEL_GENERIC; k < (int)best; k++)
            if (strcmp(wanted, names[k]) == 0 && mq_cpu_supports((enum mq_kernel)k))
                return (enum mq_kernel)k;
    return best;
}

int
mq_cpu_count(void)
{
    cpu_set_t set;
    int count = 1;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        count = CPU_COUNT(&set);
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (file != NULL) {
        long quota, period;
        if (fscanf(file, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0) {
            int share = (int)((quota + period - 1) / period);
            if (share < count)
                count = share;
        }
        fclose(file);
    }
    return count > 0 ? count : 1;
}
