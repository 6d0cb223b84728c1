/**
 * Seeded random numbers: xoshiro256++ (Blackman & Vigna 2021), seeded by splitmix64.
 *
 * The same seed gives the same sequence on every machine. Give each worker or user its own
 * generator with mq_rng_init(&rng, seed, stream), never share one between threads.
 */
#ifndef MQ_BASE_RNG_H
#define MQ_BASE_RNG_H

#include <math.h>
#include <stdint.h>

struct mq_rng {
    uint64_t s[4];
};

static inline uint64_t
mq_splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/** @param stream distinct streams of one seed are independent */
static inline void
mq_rng_init(struct mq_rng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed;
    state = mq_splitmix64(&state) ^ (stream * UINT64_C(0xd1342543de82ef95) + 1);
    for (int i = 0; i < 4; i++)
        rng->s[i] = mq_splitmix64(&state);
}

static inline uint64_t
mq_rng_next(struct mq_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t sum = s[0] + s[3];
    uint64_t result = ((sum << 23) | (sum >> 41)) + s[0];
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/** Uniform in [0, bound), bound > 0; unbiased (Lemire 2019). */
static inline uint32_t
mq_rng_below(struct mq_rng *rng, uint32_t bound)
{
    uint64_t m = (mq_rng_next(rng) >> 32) * bound;
    if ((uint32_t)m < bound) {
        uint32_t threshold = -bound % bound;
        while ((uint32_t)m < threshold)
            m = (mq_rng_next(rng) >> 32) * bound;
    }
    return (uint32_t)(m >> 32);
}

/** The same with 64 bits. */
static inline uint64_t
mq_rng_below64(struct mq_rng *rng, uint64_t bound)
{
    __extension__ typedef unsigned __int128 wide;
    wide m = (wide)mq_rng_next(rng) * bound;
    if ((uint64_t)m < bound) {
        uint64_t threshold = -bound % bound;
        while ((uint64_t)m < threshold)
            m = (wide)mq_rng_next(rng) * bound;
    }
    return (uint64_t)(m >> 64);
}

/** Uniform in [0, 1) with 53 bits. */
static inline double
mq_rng_uniform(struct mq_rng *rng)
{
    return (double)(mq_rng_next(rng) >> 11) * 0x1p-53;
}

/** Standard normal (Box-Muller, one value a call). */
static inline double
mq_rng_normal(struct mq_rng *rng)
{
    double u = 1.0 - mq_rng_uniform(rng);
    double v = mq_rng_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

/** Fisher-Yates shuffle of int32 [n]. */
static inline void
mq_rng_shuffle(struct mq_rng *rng, int32_t *values, uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = mq_rng_below(rng, i);
        int32_t t = values[i - 1];
        values[i - 1] = values[j];
        values[j] = t;
    }
}

#endif
