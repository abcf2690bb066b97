/*
 * Random numbers and elementary functions on registers, for the files that are compiled once per
 * instruction set.
 */
#ifndef MCP_LANES_H
#define MCP_LANES_H

#include "vectors.h"

/* Names of what is compiled once per instruction set. */
#define PASTE_NAMES(first, second) first##second
#define PASTE(first, second) PASTE_NAMES(first, second)

#define PI 3.14159265358979323846
#define LN_2 0.693147180559945309417
#define ROOT_3 1.73205080756887729353

/* ---- Random numbers: as many xoroshiro128++ generators as there are lanes ---- */

typedef struct generators {
    words first;
    words second;
} generators;

static inline words rotate_left(words bits, int places) {
    return (bits << places) | (bits >> (64 - places));
}

static inline words next_bits(generators *lanes) {
    const words first = lanes->first;
    words second = lanes->second;
    const words bits = rotate_left(first + second, 17) + first;
    second ^= first;
    lanes->first = rotate_left(first, 49) ^ second ^ (second << 21);
    lanes->second = rotate_left(second, 28);
    return bits;
}

/* Run a step for the streams of a full register, or of what is left of one. */
#define FOR_STREAMS(streams, count, lanes, i, step)                                                \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i + MCP_LANES <= (count); i += MCP_LANES) {                                         \
            generators lanes;                                                                      \
            load_columns(&(streams)[2 * i], &lanes.first, &lanes.second);                          \
            step;                                                                                  \
            store_columns(&(streams)[2 * i], lanes.first, lanes.second);                           \
        }                                                                                          \
        if (i < (count)) {                                                                         \
            uint64_t rest[2 * MCP_LANES] = {0};                                                    \
            generators lanes;                                                                      \
            memcpy(rest, &(streams)[2 * i], ((count) - i) * 2 * sizeof rest[0]);                   \
            load_columns(rest, &lanes.first, &lanes.second);                                       \
            step;                                                                                  \
            store_columns(rest, lanes.first, lanes.second);                                        \
            memcpy(&(streams)[2 * i], rest, ((count) - i) * 2 * sizeof rest[0]);                   \
        }                                                                                          \
    } while (0)

/*
 * Uniform numbers on (0, 1), centred in their steps: `count` bits of a word, of which the highest
 * is bit 51, become the mantissa of a number from 1 to 2. `origin` is subtracted for free.
 */
static inline doubles uniforms_from(words bits, int count, double origin) {
    const uint64_t all = UINT64_C(0xFFFFFFFFFFFFF);
    const words mantissa = bits & (all << (52 - count) & all);
    const doubles from_one_to_two = (doubles)(mantissa | UINT64_C(0x3FF0000000000000));
    return from_one_to_two - (1.0 + origin - 0.5 / (double)(UINT64_C(1) << count));
}

static inline doubles uniforms(words bits) { return uniforms_from(bits >> 12, 52, 0.0); }

/* ---- Elementary functions ---- */

/*
 * -2 ln p for 0 < p < 1, to 4e-9 relative: p = 2^-k m with m from √½ to √2, and twice the minimax
 * polynomial of ln(1 + f)/f. The number 128 + k is put together from bits, and its product with
 * 2 ln 2 less that of 128 is exactly 0 for k = 0, where the result may be small.
 */
static inline doubles minus_twice_log(doubles p) {
    const words bits = (words)p;
    const words k = (UINT64_C(0x3FF6A09E667F3BCC) - bits) & UINT64_C(0xFFF0000000000000);
    const doubles f = (doubles)(bits + k) - 1.0;
    const doubles exponent = (doubles)(k >> 7 | UINT64_C(0x4060000000000000));
    doubles q = every_double(-0.152422070632894648);
    q = q * f + 0.258092849759975191;
    q = q * f - 0.264869141906310136;
    q = q * f + 0.283636752251114001;
    q = q * f - 0.332180273667758332;
    q = q * f + 0.400039368190321511;
    q = q * f - 0.500031730293248528;
    q = q * f + 0.666666519888776367;
    q = q * f - 0.999999765803733791;
    q = q * f + 1.99999999991814063;
    return exponent * (2.0 * LN_2) - 256.0 * LN_2 - f * q;
}

/* sin(πw)/w for |w| <= ½, as a function of z = w², to 2e-11 relative. */
static inline doubles sine_over_w(doubles z) {
    doubles q = every_double(-0.00702216344871942713);
    q = q * z + 0.082046478780543645;
    q = q * z - 0.599251330095048512;
    q = q * z + 2.55016324031651283;
    q = q * z - 5.16771276211575176;
    return q * z + 3.14159265352334541;
}

/* sin²(πw) for |w| <= ½, to rounding: the polynomial itself to 1e-8. */
static inline floats sine_square(floats w) {
    const floats z = w * w;
    floats q = 0.0775603861211F * z - 0.598242125955F;
    q = q * z + 2.55006972626F;
    q = q * z - 5.1677096848F;
    q = q * z + 3.1415926369F;
    return z * (q * q);
}

/*
 * 1/√x to 5e-8 relative, without a division or a square root: a first guess from the bits of x
 * leaves w = x y² within 0.875 and 0.994, where a polynomial of w corrects it.
 */
static inline floats inverse_root(floats x) {
    const floats y = (floats)(UINT32_C(0x5F301400) - ((half_words)x >> 1));
    const floats w = x * y * y;
    floats q = 0.372950966089543851F * w - 1.79175325432417572F;
    q = q * w + 3.51321520128915666F;
    q = q * w - 3.64296062900830679F;
    q = q * w + 2.54854779936351102F;
    return y * q;
}

typedef struct roots {
    floats root;
    floats inverse;
} roots;

/* √x and 1/√x to rounding: a shorter polynomial, to 2e-5, and a step of Newton's method. */
static inline roots roots_of(floats x) {
    const floats y = (floats)(UINT32_C(0x5F301400) - ((half_words)x >> 1));
    const floats w = x * y * y;
    floats q = 0.445616868281F * w - 1.38736479407F;
    q = q * w + 1.9417909166F;
    const floats inverse = y * q;
    const floats root = x * inverse;
    const floats correction = 0.5F - 0.5F * root * inverse;
    return (roots){root + root * correction, inverse + inverse * correction};
}

#endif
