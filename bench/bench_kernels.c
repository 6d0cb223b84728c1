/* The SIMD kernels of this machine beside plain C: one line a kernel and instruction set. */
#include <string.h>

#include "base/rng.h"
#include "emit.h"
#include "math/blas.h"
#include "math/kernels.h"

enum { WIDTH = 32, ROWS = 4096, N = WIDTH * ROWS, RUNS = 15 };

static float *a, *b, *c, *d;
static int32_t rows[ROWS];
static uint8_t *panels;
static int32_t weights[4 * WIDTH / 2];
static uint32_t hits[4 * ROWS / MQ_PANEL_ROWS];
static volatile float sink;

static void
run_dot(const struct mq_kernels *k)
{
    sink = k->dot(a, b, N);
}

static void
run_axpy(const struct mq_kernels *k)
{
    k->axpy(1e-6f, a, b, N);
}

static void
run_gather_sum(const struct mq_kernels *k)
{
    for (int i = 0; i < ROWS; i += 64)
        k->gather_sum(a, WIDTH, rows + i, 64, c);
}

static void
run_exp(const struct mq_kernels *k)
{
    k->exp(a, c, N);
}

static void
run_softmax_rows(const struct mq_kernels *k)
{
    memcpy(c, a, N * sizeof(float));
    k->softmax_rows(c, ROWS, WIDTH, WIDTH, NULL);
}

static void
run_sigmoid(const struct mq_kernels *k)
{
    k->sigmoid(a, c, N);
}

static void
run_adam(const struct mq_kernels *k)
{
    struct mq_adam adam = mq_adam_at(1e-6f, 0.9f, 0.999f, 1e-8f, 0, 10);
    k->adam(&adam, b, c, d, a, N);
}

static void
run_dot_rows(const struct mq_kernels *k)
{
    k->dot_rows(b, a, ROWS, WIDTH, c);
}

static void
run_dot_indexed(const struct mq_kernels *k)
{
    k->dot_indexed(b, a, WIDTH, rows, ROWS, c);
}

static void
run_scan_panels4(const struct mq_kernels *k)
{
    static const int16_t start[4], above[4] = {32000, 32000, 32000, 32000};
    k->scan_panels4(panels, ROWS / MQ_PANEL_ROWS, WIDTH / 2, weights, start, above, hits);
}

static const struct {
    const char *name;
    void (*run)(const struct mq_kernels *kernels);
    double values; /* worked on in one call */
} kernels_timed[] = {
    {"dot", run_dot, N},
    {"axpy", run_axpy, N},
    {"gather_sum", run_gather_sum, N},
    {"exp", run_exp, N},
    {"softmax_rows", run_softmax_rows, N},
    {"sigmoid", run_sigmoid, N},
    {"adam", run_adam, N},
    {"dot_rows", run_dot_rows, N},
    {"dot_indexed", run_dot_indexed, N},
    {"scan_panels4", run_scan_panels4, 4.0 * N},
};

static float *
values(struct mq_rng *rng)
{
    float *x = NULL;
    if (mq_alloc_array(N, sizeof(float), &x, NULL) != MQ_OK)
        exit(1);
    for (int i = 0; i < N; i++)
        x[i] = (float)mq_rng_normal(rng);
    return x;
}

static void
time_sgemm(void)
{
    enum { SIZE = 362 }; /* 362² < N */
    struct bench_times times = {0};
    for (int run = 0; run <= RUNS; run++) {
        double begin = mq_clock_monotonic_s();
        for (int i = 0; i < 4; i++)
            mq_sgemm_nn(SIZE, SIZE, SIZE, a, b, 0, c);
        if (run > 0)
            bench_time_add(&times, (mq_clock_monotonic_s() - begin) / 4);
    }
    bench_emit("sgemm 362 cubed", 1, &times, 2.0 * SIZE * SIZE * SIZE, "flops", NULL);
}

int
main(void)
{
    struct mq_rng rng;
    mq_rng_init(&rng, 1, 0);
    a = values(&rng);
    b = values(&rng);
    c = values(&rng);
    d = values(&rng);
    if (mq_alloc_array(N, 1, &panels, NULL) != MQ_OK)
        return 1;
    for (int i = 0; i < N; i++) {
        d[i] = d[i] * d[i];
        panels[i] = (uint8_t)mq_rng_below(&rng, 128);
    }
    for (int i = 0; i < ROWS; i++)
        rows[i] = (int32_t)mq_rng_below(&rng, ROWS);
    for (size_t i = 0; i < MQ_COUNT(weights); i++)
        weights[i] = mq_panel_weight((int8_t)mq_rng_below(&rng, 60), -9);
    for (size_t i = 0; i < MQ_COUNT(kernels_timed); i++)
        for (int kind = 0; kind < MQ_KERNEL_COUNT; kind++) {
            const struct mq_kernels *kernels = mq_kernels_of((enum mq_kernel)kind);
            if (kernels == NULL)
                continue;
            struct bench_times times = {0};
            for (int run = 0; run <= RUNS; run++) {
                double begin = mq_clock_monotonic_s();
                for (int repeat = 0; repeat < 4; repeat++)
                    kernels_timed[i].run(kernels);
                if (run > 0)
                    bench_time_add(&times, (mq_clock_monotonic_s() - begin) / 4);
            }
            char work[64];
            snprintf(work, sizeof(work), "%s %s", kernels_timed[i].name,
                     mq_kernel_name(kernels->kind));
            bench_emit(work, 1, &times, kernels_timed[i].values, "values", NULL);
        }
    time_sgemm();
    mq_free(a);
    mq_free(b);
    mq_free(c);
    mq_free(d);
    mq_free(panels);
    return 0;
}
