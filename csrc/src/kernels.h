/*
 * The loops over many draws, compiled once per instruction set from kernels.c and chosen when a
 * sampler is created.
 */
#ifndef MCP_KERNELS_H
#define MCP_KERNELS_H

#include "generator.h"

#include <stdalign.h>
#include <stdint.h>

/* Draws that are worked on at a time: their intermediate results stay in the first-level cache. */
#define MCP_BLOCK 256

/* The latent r² is chi_square times share. */
typedef struct draw_block {
    alignas(64) double chi_square[MCP_BLOCK];
    alignas(64) float share[MCP_BLOCK];
    alignas(64) double theta[MCP_BLOCK];
    alignas(64) double u[MCP_BLOCK];
} draw_block;

typedef struct kernels {
    const char *instruction_set;

    /* Latents of count <= MCP_BLOCK draws, draw i from lane i % 8 of a mcp_rng's state. */
    void (*draw_latents)(uint64_t state[16], size_t count, draw_block *block);

    /* The same, draw i from row i of an (n, 2) array of streams. */
    void (*draw_latents_from_streams)(uint64_t *streams, size_t count, draw_block *block);

    /* One uniform number per draw, from lanes or from streams. */
    void (*draw_uniforms)(uint64_t state[16], size_t count, double *uniforms);
    void (*draw_uniforms_from_streams)(uint64_t *streams, size_t count, double *uniforms);

    /* marks[i] = 1 where a threshold is above the squeeze or a radius in the tail, else 0. */
    void (*mark_above)(const double *threshold, const draw_block *block, size_t count,
                       double squeeze, double tail_square, unsigned char *marks);

    /* What map needs at one temperature: the parameters in single precision. */
    void (*fold)(const thermal_map *map, double theta, folded_map *folded);

    /* What map_by_table needs: polynomials in place of the network, if they agree with it. */
    void (*tabulate)(folded_map *folded);

    /* block->u from r², at one temperature or at block->theta; by table only from drawn latents. */
    void (*map)(const folded_map *folded, size_t count, draw_block *block);
    void (*map_by_table)(const folded_map *folded, size_t count, draw_block *block);
    void (*map_each_theta)(const thermal_map *map, size_t count, draw_block *block);

    /* Isotropic vectors of given magnitudes, draw i from lane i % 8. */
    void (*point)(uint64_t state[16], size_t count, const double *u, double *u3);
} kernels;

extern const kernels mcp_kernels_generic;
#if defined(__x86_64__)
extern const kernels mcp_kernels_avx2;
extern const kernels mcp_kernels_avx512;
#endif

#endif
