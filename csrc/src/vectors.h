/*
 * Short vectors by compiler extensions: one source for every instruction set.
 *
 * MCP_LANES doubles, or twice as many floats, fill one register of the instruction set that a file
 * is compiled for. What converts between the two is written as plain loops over arrays, which
 * compilers turn into better code than conversions of vectors. Where gcc and clang have different
 * extensions, there are two forms.
 */
#ifndef MCP_VECTORS_H
#define MCP_VECTORS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define MCP_LANES 8
#elif defined(__AVX2__)
#define MCP_LANES 4
#else
#define MCP_LANES 2
#endif
#define MCP_FLOAT_LANES (2 * MCP_LANES)

typedef double doubles __attribute__((vector_size(8 * MCP_LANES)));
typedef uint64_t words __attribute__((vector_size(8 * MCP_LANES)));
typedef float floats __attribute__((vector_size(8 * MCP_LANES)));
typedef uint32_t half_words __attribute__((vector_size(8 * MCP_LANES)));
typedef int32_t integers __attribute__((vector_size(8 * MCP_LANES)));

static inline words load_words(const uint64_t *from) {
    words loaded;
    memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

static inline void store_words(uint64_t *to, words stored) { memcpy(to, &stored, sizeof stored); }

static inline doubles load_doubles(const double *from) {
    doubles loaded;
    memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

static inline void store_doubles(double *to, doubles stored) { memcpy(to, &stored, sizeof stored); }

static inline floats load_floats(const float *from) {
    floats loaded;
    memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

static inline void store_floats(float *to, floats stored) { memcpy(to, &stored, sizeof stored); }

static inline doubles every_double(double value) { return value - (doubles){0.0}; }
static inline floats every_float(float value) { return value - (floats){0.0F}; }

/* The lower halves of two registers of words. */
static inline half_words lower_halves(words first, words second) {
    half_words lower;
#if defined(__clang__)
    for (int lane = 0; lane < MCP_LANES; lane++) {
        lower[lane] = (uint32_t)first[lane];
        lower[MCP_LANES + lane] = (uint32_t)second[lane];
    }
#else
    for (int lane = 0; lane < MCP_FLOAT_LANES; lane++)
        lower[lane] = 2 * (uint32_t)lane;
    lower = __builtin_shuffle((half_words)first, (half_words)second, lower);
#endif
    return lower;
}

/* Numbers from a table of 16, by the lowest four bits of each index: a few instructions. */
static inline floats look_up(const float table[16], half_words index) {
#if MCP_LANES == 8 && defined(__clang__)
    return __builtin_ia32_permvarsf512(load_floats(table), (integers)index);
#elif MCP_LANES == 8
    return __builtin_shuffle(load_floats(table), index);
#elif MCP_LANES == 4 && defined(__clang__)
    const integers from_first_half = (integers)((index & 8) == 0);
    const integers low = (integers)__builtin_ia32_permvarsf256(load_floats(table), (integers)index);
    const integers high =
        (integers)__builtin_ia32_permvarsf256(load_floats(table + 8), (integers)index);
    return (floats)((low & from_first_half) | (high & ~from_first_half));
#elif MCP_LANES == 4
    return __builtin_shuffle(load_floats(table), load_floats(table + 8), index);
#else
    float found[MCP_FLOAT_LANES];
    for (int lane = 0; lane < MCP_FLOAT_LANES; lane++)
        found[lane] = table[index[lane] & 15];
    return load_floats(found);
#endif
}

/* Take (n, 2) rows apart into two columns, and put them together again. */
static inline void load_columns(const uint64_t *rows, words *first, words *second) {
    uint64_t columns[2][MCP_LANES];
    for (int lane = 0; lane < MCP_LANES; lane++) {
        columns[0][lane] = rows[2 * lane];
        columns[1][lane] = rows[2 * lane + 1];
    }
    *first = load_words(columns[0]);
    *second = load_words(columns[1]);
}

static inline void store_columns(uint64_t *rows, words first, words second) {
    uint64_t columns[2][MCP_LANES];
    store_words(columns[0], first);
    store_words(columns[1], second);
    for (int lane = 0; lane < MCP_LANES; lane++) {
        rows[2 * lane] = columns[0][lane];
        rows[2 * lane + 1] = columns[1][lane];
    }
}

#endif
