/* 64-bit Arm: the primitives that kernels_vector.h is written on, 4 floats a vector. */
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

typedef float32x4_t vf;
#define VF_LANES 4

#define vf_load(p) vld1q_f32(p)
#define vf_store(p, x) vst1q_f32(p, x)
#define vf_set1(s) vdupq_n_f32(s)
#define vf_add(a, b) vaddq_f32(a, b)
#define vf_sub(a, b) vsubq_f32(a, b)
#define vf_mul(a, b) vmulq_f32(a, b)
#define vf_div(a, b) vdivq_f32(a, b)
#define vf_fma(a, b, c) vfmaq_f32(c, a, b)
#define vf_sqrt(a) vsqrtq_f32(a)
/* Where x is NaN the first gives bound, the other two give NaN. */
#define vf_max_or(x, bound) vmaxnmq_f32(x, bound)
#define vf_max_keep(x, bound) vmaxq_f32(x, bound)
#define vf_min_keep(x, bound) vminq_f32(x, bound)
#define vf_round(x) vrndnq_f32(x)

/* The first n < 4 lanes; the others read as 0 and are not written. */
static inline vf
vf_load_part(const float *p, size_t n)
{
    float lanes[4] = {0};
    for (size_t i = 0; i < n; i++)
        lanes[i] = p[i];
    return vld1q_f32(lanes);
}

static inline void
vf_store_part(float *p, size_t n, vf x)
{
    float lanes[4];
    vst1q_f32(lanes, x);
    for (size_t i = 0; i < n; i++)
        p[i] = lanes[i];
}

/* x where a > 0, else 0 */
static inline vf
vf_where_positive(vf a, vf x)
{
    return vreinterpretq_f32_u32(vandq_u32(vcgtzq_f32(a), vreinterpretq_u32_f32(x)));
}

/* bit i: a[i] > b[i] */
static inline unsigned
vf_greater(vf a, vf b)
{
    static const uint32_t bits[4] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vcgtq_f32(a, b), vld1q_u32(bits)));
}

/* 2^n for whole n in [-126, 127] */
static inline vf
vf_power_of_two(vf n)
{
    int32x4_t exponent = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
    return vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23));
}

static inline float
vf_sum(vf x)
{
    return vaddvq_f32(x);
}

/* The four sums to p[0..3]. */
static inline void
vf_sum4(vf a, vf b, vf c, vf d, float *p)
{
    vst1q_f32(p, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}

/* Byte panels: 8 sums of int16 a vector, four vectors a panel. Values are below 128, so they are
 * good signed bytes. */
typedef int16x8_t vs;
typedef uint8x8x2_t vp;
#define VS_PER_PANEL 4
#define vs_set1(s) vdupq_n_s16(s)
#define vp_load(p) vld2_u8(p)

/* acc[r] += pairs[2r]*w[0] + pairs[2r+1]*w[1], wrapping */
static inline void
add_pairs(vs *acc, vp part, int32_t w)
{
    vs sum = vmlal_s8(*acc, vreinterpret_s8_u8(part.val[0]), vdup_n_s8((int8_t)(w & 0xff)));
    *acc = vmlal_s8(sum, vreinterpret_s8_u8(part.val[1]), vdup_n_s8((int8_t)((w >> 8) & 0xff)));
}
#define vs_add_pairs(acc, part, w) add_pairs(&(acc), part, w)

static inline uint32_t
vs_bits(const vs acc[VS_PER_PANEL], int16_t above)
{
    static const uint16_t bits[8] = {1, 2, 4, 8, 16, 32, 64, 128};
    uint32_t all = 0;
    for (int v = 0; v < VS_PER_PANEL; v++)
        all |=
            (uint32_t)vaddvq_u16(vandq_u16(vcgtq_s16(acc[v], vdupq_n_s16(above)), vld1q_u16(bits)))
            << (8 * v);
    return all;
}

#include "math/kernels_vector.h"
#include "math/kernels_sparse.h"
#include "math/kernels_keys.h"

const struct mq_kernels mq_kernels_neon = {MQ_KERNEL_TABLE(MQ_KERNEL_NEON)};
