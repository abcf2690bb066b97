/*
 * One xoroshiro128++ generator at a time (Blackman & Vigna 2021, ACM TOMS 47, 36), and what is
 * drawn from it. kernels.c has the same for whole vectors of generators.
 */
#ifndef MCP_RANDOM_H
#define MCP_RANDOM_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* One of mcp_rng's eight generators, or the stream of one photon. */
typedef struct generator_state {
    uint64_t *first;
    uint64_t *second;
} generator_state;

/* Lane of a mcp_rng that draw number i uses. */
static inline generator_state lane_of(uint64_t state[16], size_t i) {
    return (generator_state){&state[i % 8], &state[8 + i % 8]};
}

static inline uint64_t rotate_left(uint64_t bits, int places) {
    return (bits << places) | (bits >> (64 - places));
}

static inline uint64_t next_bits(generator_state generator) {
    const uint64_t first = *generator.first;
    uint64_t second = *generator.second;
    const uint64_t bits = rotate_left(first + second, 17) + first;
    second ^= first;
    *generator.first = rotate_left(first, 49) ^ second ^ (second << 21);
    *generator.second = rotate_left(second, 28);
    return bits;
}

/* A uniform number on the open interval (0, 1): an odd multiple of 2^-53. */
static inline double uniform(generator_state generator) {
    return ((double)(int64_t)(next_bits(generator) >> 12) + 0.5) * 0x1p-52;
}

/* A point in the unit disc. */
typedef struct point_in_disc {
    double a;
    double b;
    double square; /* a² + b² */
} point_in_disc;

static inline point_in_disc draw_point_in_disc(generator_state generator) {
    for (;;) {
        const double a = 2.0 * uniform(generator) - 1.0;
        const double b = 2.0 * uniform(generator) - 1.0;
        const double square = a * a + b * b;
        if (square <= 1.0)
            return (point_in_disc){a, b, square};
    }
}

#endif
