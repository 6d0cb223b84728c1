/**
 * Kernels of sparse products (byte rows, bit sets) on GCC's vectors, as wide as the instruction
 * set's: VF_LANES. Not a header of its own; included after kernels_vector.h.
 *
 * A byte added to a byte needs no multiplication and no room: rows are added up byte by byte until
 * one could overflow, then taken over to 16 bits, the even and the odd bytes apart, by a mask and a
 * shift; those to 32 bits in the same way. No lane ever moves, so the order of columns in a row
 * (mq_byte_column) is what makes the sums come out in line.
 */
#ifndef VF_LANES
#error "include from the file of an instruction set"
#endif
#ifndef MQ_MATH_KERNELS_SPARSE_H
#define MQ_MATH_KERNELS_SPARSE_H

#include <string.h>

#include "math/kernels_table.h"

#define BYTES (4 * VF_LANES)
#define VECTORS (MQ_BYTE_COLUMNS / BYTES)
/* Lanes of 16 bits that take 255 each from this many bytes stay below 2^16. */
#define TAKEN_MAX 256

typedef uint8_t bytes_v __attribute__((vector_size(BYTES)));
typedef uint32_t words_v __attribute__((vector_size(BYTES)));

/* Whole sums so far, in 16 bits; `pairs[v][k]`: bytes k and k+2 of each four. */
struct pair_sums {
    words_v pairs[VECTORS][2];
};

static inline bytes_v
load_bytes(const uint8_t *p)
{
    bytes_v x;
    memcpy(&x, p, sizeof(x));
    return x;
}

static inline __attribute__((always_inline)) void
take_bytes(struct pair_sums *sums, const bytes_v *bytes)
{
    for (int v = 0; v < VECTORS; v++) {
        words_v x = (words_v)bytes[v];
        sums->pairs[v][0] += x & 0x00ff00ffu;
        sums->pairs[v][1] += x >> 8 & 0x00ff00ffu;
    }
}

static inline __attribute__((always_inline)) void
take_pairs(int32_t *sums, const struct pair_sums *taken, uint32_t weight)
{
    for (int v = 0; v < VECTORS; v++)
        for (int k = 0; k < 4; k++) {
            words_v x = taken->pairs[v][k & 1], old;
            x = k < 2 ? x & 0xffffu : x >> 16;
            int32_t *place = sums + k * (MQ_BYTE_COLUMNS / 4) + v * VF_LANES;
            memcpy(&old, place, sizeof(old));
            old += x * weight;
            memcpy(place, &old, sizeof(old));
        }
}

static void
add_byte_rows(const uint8_t *table, const int32_t *rows, size_t count, int32_t most, int32_t weight,
              int32_t *sums)
{
    size_t together = 255 / (size_t)most;
    for (size_t i = 0; i < count;) {
        struct pair_sums taken = {0};
        for (int times = 0; times < TAKEN_MAX && i < count; times++) {
            bytes_v bytes[VECTORS] = {0};
            size_t end = count - i > together ? i + together : count;
            for (; i < end; i++) {
                const uint8_t *row = table + (size_t)rows[i] * MQ_BYTE_COLUMNS;
                for (int v = 0; v < VECTORS; v++)
                    bytes[v] += load_bytes(row + v * BYTES);
            }
            take_bytes(&taken, bytes);
        }
        take_pairs(sums, &taken, (uint32_t)weight);
    }
}

static int64_t
count_common(const uint64_t *a, const uint64_t *b, size_t words)
{
    int64_t count[4] = {0};
    size_t i = 0;
    for (; i + 4 <= words; i += 4)
        for (int j = 0; j < 4; j++)
            count[j] += __builtin_popcountll(a[i + (size_t)j] & b[i + (size_t)j]);
    for (; i < words; i++)
        count[0] += __builtin_popcountll(a[i] & b[i]);
    return count[0] + count[1] + count[2] + count[3];
}

#undef BYTES
#undef VECTORS
#undef TAKEN_MAX
#endif
