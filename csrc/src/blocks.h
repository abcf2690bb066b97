/* Draws in blocks of at most MCP_BLOCK: what all calls are made of. */
#ifndef MCP_BLOCKS_H
#define MCP_BLOCKS_H

#include "rejection.h"
#include "sampler.h"

/* Where the random numbers of a call come from: the lanes of a mcp_rng, or a row per draw. */
typedef struct source {
    uint64_t *state;
    int is_rows;
} source;

static inline generator_state source_of(source from, size_t i) {
    return from.is_rows ? (generator_state){&from.state[2 * i], &from.state[2 * i + 1]}
                        : lane_of(from.state, i);
}

/* Temperatures of a call, with what is computed once when they are all the same. */
typedef struct temperatures {
    const double *theta;
    int same;
    folded_map folded;
    gamma_mixture mixture;
} temperatures;

void mcp_prepare(const mcp_sampler *sampler, const double *theta, size_t n_theta,
                 temperatures *prepared);

/* The same for n draws, which may be worth a table. */
void mcp_prepare_draws(const mcp_sampler *sampler, source from, size_t n, const double *theta,
                       size_t n_theta, temperatures *prepared);

/* Draws number first to first + count of a call, to block->u. */
void mcp_draw_block(const mcp_sampler *sampler, const temperatures *at, source from, size_t first,
                    size_t count, draw_block *block);

/* block->u from the latents of a block. */
void mcp_map_block(const mcp_sampler *sampler, const temperatures *at, size_t first, size_t count,
                   draw_block *block);

static inline size_t mcp_block_size(size_t first, size_t n) {
    return n - first < MCP_BLOCK ? n - first : MCP_BLOCK;
}

#endif
